#include "collector/view/feeds.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "collector/view/html.h"

namespace mailvane {
namespace {

// RFC 4151: whose names these are, and since when.  The day is part of each id, and
// is never changed.
constexpr char kTaggingDay[] = "2026-01-01";

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

// RFC 822, with the four digits that RSS allows.
std::string Rfc822(absl::Time time) {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", time, absl::UTCTimeZone());
}

// "status.example.net" of "https://status.example.net:8443/mail".
std::string Authority(absl::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == absl::string_view::npos) return "localhost";
  url.remove_prefix(scheme + 3);
  return std::string(url.substr(0, url.find_first_of(":/")));
}

struct Feed {
  FeedFormat format;
  const PageSettings* settings;
  const SystemState* system;
  std::vector<const Post*> posts;
  // Stays while nothing is posted, and so does the feed's ETag.
  absl::Time updated;

  std::string Title() const {
    return system == nullptr ? settings->title
                             : absl::StrCat(system->name, " - ", settings->title);
  }
  std::string Page() const {
    return absl::StrCat(settings->url,
                        system == nullptr ? "/" : absl::StrCat("/systems/", system->id));
  }
  std::string Self() const {
    return absl::StrCat(settings->url,
                        system == nullptr ? "" : absl::StrCat("/systems/", system->id),
                        format == FeedFormat::kAtom ? "/feed.atom" : "/feed.rss");
  }
  std::string Tag(absl::string_view what) const {
    return absl::StrCat("tag:", Authority(settings->url), ",", kTaggingDay, ":", what);
  }
  std::string TagOf(const Post& post) const { return Tag(PostPath(post).substr(1)); }
  std::string LinkTo(const Post& post) const {
    return absl::StrCat(settings->url, PostPath(post));
  }
};

// The body as the page has it; for a feed, markup inside text.
std::string BodyMarkup(const Post& post) {
  Html out;
  for (const absl::string_view paragraph : absl::StrSplit(post.body, "\n\n")) {
    if (absl::StripAsciiWhitespace(paragraph).empty()) continue;
    out << "<p>" << Escaped(paragraph) << "</p>";
  }
  return std::move(out).Take();
}

Html Atom(const Feed& feed) {
  Html out;
  out << "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
      << "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en\">\n<id>"
      << Escaped(feed.Tag(
             feed.system == nullptr ? "feed" : absl::StrCat("systems/", feed.system->id)))
      << "</id>\n<title>" << Escaped(feed.Title()) << "</title>\n<updated>"
      << Escaped(Rfc3339(feed.updated)) << "</updated>\n<author><name>"
      << Escaped(feed.settings->title) << "</name></author>\n"
      << "<link rel=\"self\" type=\"application/atom+xml\" href=\""
      << Escaped(feed.Self())
      << "\"/>\n<link rel=\"alternate\" type=\"text/html\" href=\""
      << Escaped(feed.Page()) << "\"/>\n";
  for (const Post* post : feed.posts) {
    const std::string time = Rfc3339(post->created_at);
    out << "<entry>\n<id>" << Escaped(feed.TagOf(*post)) << "</id>\n<title>"
        << Escaped(post->title) << "</title>\n<updated>" << Escaped(time)
        << "</updated>\n<published>" << Escaped(time)
        << "</published>\n<link rel=\"alternate\" type=\"text/html\" href=\""
        << Escaped(feed.LinkTo(*post)) << "\"/>\n";
    if (!post->system.empty()) {
      out << "<category term=\"" << Escaped(post->system) << "\"/>\n";
    }
    out << "<content type=\"html\">" << Escaped(BodyMarkup(*post))
        << "</content>\n</entry>\n";
  }
  out << "</feed>\n";
  return out;
}

Html Rss(const Feed& feed) {
  Html out;
  out << "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
      << "<rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\">\n<channel>\n"
      << "<title>" << Escaped(feed.Title()) << "</title>\n<link>" << Escaped(feed.Page())
      << "</link>\n<description>Posts about our mail systems</description>\n"
      << "<language>en</language>\n<lastBuildDate>" << Escaped(Rfc822(feed.updated))
      << "</lastBuildDate>\n<atom:link rel=\"self\" type=\"application/rss+xml\" href=\""
      << Escaped(feed.Self()) << "\"/>\n";
  for (const Post* post : feed.posts) {
    out << "<item>\n<guid isPermaLink=\"false\">" << Escaped(feed.TagOf(*post))
        << "</guid>\n<title>" << Escaped(post->title) << "</title>\n<link>"
        << Escaped(feed.LinkTo(*post)) << "</link>\n<pubDate>"
        << Escaped(Rfc822(post->created_at)) << "</pubDate>\n";
    if (!post->system.empty()) {
      out << "<category>" << Escaped(post->system) << "</category>\n";
    }
    out << "<description>" << Escaped(BodyMarkup(*post)) << "</description>\n</item>\n";
  }
  out << "</channel>\n</rss>\n";
  return out;
}

}  // namespace

const char* ContentType(FeedFormat format) {
  switch (format) {
    case FeedFormat::kAtom:
      return "application/atom+xml; charset=utf-8";
    case FeedFormat::kRss:
      return "application/rss+xml; charset=utf-8";
  }
  return "";
}

std::string RenderFeed(FeedFormat format, const FleetSnapshot& fleet,
                       const SystemState* system, const PageSettings& settings) {
  Feed feed = {format, &settings, system, PublicPosts(fleet), fleet.stats.started_at};
  if (system != nullptr) {
    feed.posts.erase(
        std::remove_if(feed.posts.begin(), feed.posts.end(),
                       [&](const Post* post) { return post->system != system->id; }),
        feed.posts.end());
  }
  if (!feed.posts.empty()) feed.updated = feed.posts.front()->created_at;
  return (format == FeedFormat::kAtom ? Atom(feed) : Rss(feed)).text();
}

}  // namespace mailvane
