#include "agent/reputation/provider.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace mailvane {
namespace {

constexpr absl::string_view kLocal = "local";
constexpr absl::string_view kUnknown = "unknown";
constexpr absl::string_view kOther = "other";

// The names of mail exchangers, by their ends, from the providers' own setup pages
// and their MX records (read 2026-05).  The longest suffix decides.
constexpr struct {
  absl::string_view suffix;
  absl::string_view provider;
} kTable[] = {
    // Microsoft: two services with two blocklists and two ways out of them.
    {"olc.protection.outlook.com", "microsoft"},
    {"hotmail.com", "microsoft"},
    {"live.com", "microsoft"},
    {"msn.com", "microsoft"},
    {"mail.protection.outlook.com", "microsoft365"},
    {"mail.protection.office365.us", "microsoft365"},
    {"mail.protection.partner.outlook.cn", "microsoft365"},
    {"mail.eo.outlook.com", "microsoft365"},
    {"protection.outlook.com", "microsoft365"},
    {"protection.outlook.de", "microsoft365"},
    {"mx.microsoft", "microsoft365"},
    {"prod.outlook.com", "microsoft365"},

    {"google.com", "google"},
    {"googlemail.com", "google"},
    {"gmail.com", "google"},

    {"yahoodns.net", "yahoo"},
    {"yahoo.com", "yahoo"},
    {"aol.com", "yahoo"},
    {"mail.yahoo.co.jp", "yahoo-jp"},
    {"yahoo.co.jp", "yahoo-jp"},

    {"icloud.com", "apple"},
    {"mac.com", "apple"},
    {"me.com", "apple"},
    {"apple.com", "apple"},

    // Filters that stand before other people's servers.
    {"pphosted.com", "proofpoint"},
    {"ppe-hosted.com", "proofpoint"},
    {"gpphosted.com", "proofpoint"},
    {"proofpoint.com", "proofpoint"},
    {"mimecast.com", "mimecast"},
    {"mimecast.co.za", "mimecast"},
    {"mimecast-offshore.com", "mimecast"},
    {"barracudanetworks.com", "barracuda"},
    {"cudamail.com", "barracuda"},
    {"iphmx.com", "cisco"},
    {"messagelabs.com", "broadcom"},
    {"messagelabs.net", "broadcom"},
    {"trendmicro.com", "trendmicro"},
    {"trendmicro.eu", "trendmicro"},
    {"mx.sophos.com", "sophos"},
    {"hydra.sophos.com", "sophos"},
    {"reflexion.net", "sophos"},
    {"fireeyecloud.com", "trellix"},
    {"fireeyegov.com", "trellix"},
    {"mxlogic.net", "trellix"},
    {"antispamcloud.com", "n-able"},
    {"spamexperts.com", "n-able"},
    {"spamexperts.eu", "n-able"},
    {"spamexperts.net", "n-able"},
    {"hornetsecurity.com", "hornetsecurity"},
    {"hornetdmarc.com", "hornetsecurity"},
    {"antispameurope.com", "hornetsecurity"},
    {"vadesecure.com", "hornetsecurity"},
    {"spamtitan.com", "titanhq"},
    {"mailroute.net", "mailroute"},
    {"mx.cloudflare.net", "cloudflare"},
    {"mailspamprotection.com", "siteground"},
    {"mxthunder.com", "mxthunder"},
    {"mxthunder.net", "mxthunder"},
    {"retarus.com", "retarus"},
    {"nospamproxy.com", "nospamproxy"},

    // Mailbox providers and access networks.
    {"gmx.net", "gmx"},
    {"gmx.com", "gmx"},
    {"web.de", "gmx"},
    {"mail.com", "gmx"},
    {"1and1.com", "ionos"},
    {"ionos.com", "ionos"},
    {"ionos.de", "ionos"},
    {"ionos.co.uk", "ionos"},
    {"ionos.es", "ionos"},
    {"ionos.fr", "ionos"},
    {"kundenserver.de", "ionos"},
    {"perfora.net", "ionos"},
    {"1and1.co.uk", "ionos"},
    {"1and1.fr", "ionos"},
    {"1and1.es", "ionos"},
    {"t-online.de", "t-online"},
    {"magenta.at", "magenta"},
    {"strato.de", "strato"},
    {"rzone.de", "strato"},
    {"freenet.de", "freenet"},
    {"posteo.de", "posteo"},
    {"mailbox.org", "mailbox_org"},
    {"hosteurope.de", "hosteurope"},
    {"kasserver.com", "all-inkl"},
    // Below these names there are customers' own servers, too.
    {"your-server.de", "hetzner"},
    {"clients.your-server.de", "other"},
    {"vodafonemail.de", "vodafone"},
    {"vodafone-ip.de", "vodafone"},

    {"orange.fr", "orange"},
    {"wanadoo.fr", "orange"},
    {"orange.net", "orange"},
    {"orange-business.com", "orange"},
    {"laposte.net", "laposte"},
    {"free.fr", "free"},
    {"proxad.net", "free"},
    {"sfr.fr", "sfr"},
    {"neuf.fr", "sfr"},
    {"bbox.fr", "bouygues"},
    {"mail.ovh.net", "ovh"},
    {"mail.ovh.ca", "ovh"},
    {"mx0.ovh.net", "ovh"},
    {"mx1.ovh.net", "ovh"},
    {"mx2.ovh.net", "ovh"},
    {"mx3.ovh.net", "ovh"},
    {"mx4.ovh.net", "ovh"},
    {"mxb.ovh.net", "ovh"},
    {"redirect.ovh.net", "ovh"},
    {"gandi.net", "gandi"},
    {"infomaniak.ch", "infomaniak"},
    {"infomaniak.com", "infomaniak"},
    {"bluewin.ch", "swisscom"},
    {"skynet.be", "proximus"},
    {"telenet-ops.be", "telenet"},
    {"telenet.be", "telenet"},
    {"ziggo.nl", "ziggo"},
    {"kpnmail.nl", "kpn"},
    {"xs4all.nl", "kpn"},
    {"one.com", "one_com"},
    {"telia.com", "telia"},
    {"libero.it", "libero"},
    {"iol.it", "libero"},
    {"virgilio.it", "libero"},
    {"tim.it", "tim"},
    {"alice.it", "tim"},
    {"tin.it", "tim"},
    {"aruba.it", "aruba"},
    {"register.it", "register_it"},
    {"seznam.cz", "seznam"},
    {"wp.pl", "wp_pl"},
    {"onet.pl", "onet"},
    {"interia.pl", "interia"},
    {"home.pl", "home_pl"},
    {"ukr.net", "ukr_net"},
    {"btinternet.com", "bt"},
    {"bt.com", "bt"},
    {"cpcloud.co.uk", "bt"},
    {"virginmedia.com", "virgin_media"},
    {"talktalk.net", "talktalk"},
    {"sky.com", "sky"},

    {"comcast.net", "comcast"},
    {"cox.net", "cox"},
    {"charter.net", "charter"},
    {"rr.com", "charter"},
    {"res.rr.com", "other"},
    {"spectrum.net", "charter"},
    {"twc.com", "charter"},
    {"brighthouse.com", "charter"},
    {"cloudfilter.net", "cloudmark"},
    {"verizon.net", "yahoo"},
    {"att.net", "yahoo"},
    {"prodigy.net", "yahoo"},
    {"centurylink.net", "centurylink"},
    {"synacor.com", "synacor"},
    {"frontier.com", "synacor"},
    {"earthlink.net", "earthlink"},
    {"juno.com", "juno"},
    {"netzero.net", "juno"},
    {"untd.com", "juno"},
    {"shaw.ca", "shaw"},
    {"rogers.com", "yahoo"},
    {"bell.net", "bell"},
    {"sympatico.ca", "bell"},
    {"telus.net", "telus"},
    {"videotron.ca", "videotron"},
    {"uol.com.br", "uol"},
    {"locaweb.com.br", "locaweb"},
    {"terra.com", "terra"},
    {"terra.com.br", "terra"},
    {"bigpond.com", "telstra"},
    {"optusnet.com.au", "optus"},
    {"iinet.net.au", "iinet"},
    {"xtra.co.nz", "xtra"},

    {"mail.ru", "mail_ru"},
    {"yandex.ru", "yandex"},
    {"yandex.net", "yandex"},
    {"yandex.com", "yandex"},
    {"rambler.ru", "rambler"},
    {"nic.ru", "nic_ru"},
    {"qq.com", "qq"},
    {"163.com", "netease"},
    {"126.com", "netease"},
    {"yeah.net", "netease"},
    {"netease.com", "netease"},
    {"163mx.com", "netease"},
    {"sina.com", "sina"},
    {"sina.com.cn", "sina"},
    {"sina.cn", "sina"},
    {"sohu.com", "sohu"},
    {"aliyun.com", "alibaba"},
    {"alibaba.com", "alibaba"},
    {"mxhichina.com", "alibaba"},
    {"naver.com", "naver"},
    {"worksmobile.com", "naver"},
    {"daum.net", "kakao"},
    {"hanmail.net", "kakao"},
    {"kakao.com", "kakao"},
    {"docomo.ne.jp", "docomo"},
    {"ezweb.ne.jp", "kddi"},
    {"au.com", "kddi"},
    {"softbank.ne.jp", "softbank"},
    {"rediffmail.com", "rediff"},
    {"rediffmailpro.com", "rediff"},

    {"zoho.com", "zoho"},
    {"zoho.eu", "zoho"},
    {"zoho.in", "zoho"},
    {"zohomail.com", "zoho"},
    {"zohocorp.com", "zoho"},
    {"messagingengine.com", "fastmail"},
    {"fastmail.com", "fastmail"},
    {"protonmail.ch", "proton"},
    {"proton.me", "proton"},
    {"tutanota.de", "tuta"},
    {"tuta.com", "tuta"},
    {"migadu.com", "migadu"},
    {"mailfence.com", "mailfence"},
    {"runbox.com", "runbox"},
    {"hushmail.com", "hushmail"},
    {"pobox.com", "fastmail"},
    {"emailsrvr.com", "rackspace"},
    {"secureserver.net", "godaddy"},
    {"ip.secureserver.net", "other"},
    {"host.secureserver.net", "other"},
    {"hostinger.com", "hostinger"},
    {"titan.email", "titan"},
    {"privateemail.com", "namecheap"},
    {"registrar-servers.com", "namecheap"},
    {"jellyfish.systems", "namecheap"},
    {"dreamhost.com", "dreamhost"},
    {"bluehost.com", "newfold"},
    {"websitewelcome.com", "newfold"},
    {"netsolmail.net", "newfold"},
    {"improvmx.com", "improvmx"},
    {"forwardemail.net", "forwardemail"},
    {"amazonaws.com", "amazon"},
    {"compute.amazonaws.com", "other"},
    {"compute-1.amazonaws.com", "other"},
    {"awsapps.com", "amazon"},
    {"mailgun.org", "mailgun"},
    {"sendgrid.net", "sendgrid"},
    {"oraclecloud.com", "oracle"},
    {"oracleemaildelivery.com", "oracle"},
    {"facebook.com", "facebook"},
    {"zimbra.com", "synacor"},
};

using Table = absl::flat_hash_map<absl::string_view, absl::string_view>;

const Table& BySuffix() {
  static const Table& table = *[] {
    auto* made = new Table;
    for (const auto& [suffix, provider] : kTable) made->emplace(suffix, provider);
    return made;
  }();
  return table;
}

}  // namespace

absl::string_view ProviderOf(absl::string_view relay_host) {
  if (absl::EndsWith(relay_host, ".")) relay_host.remove_suffix(1);
  if (relay_host.empty() || relay_host == "none") return kUnknown;
  // An agent has a name without dots; a filter or store on this host its address.
  if (relay_host.find_first_of(".:") == absl::string_view::npos ||
      absl::StartsWith(relay_host, "127.") || relay_host == "::1" ||
      absl::EqualsIgnoreCase(relay_host, "localhost.localdomain")) {
    return kLocal;
  }
  // No name of a host is longer (RFC 1035 s. 2.3.4).
  if (relay_host.size() > 255) return kOther;
  const std::string lower = absl::AsciiStrToLower(relay_host);
  const Table& table = BySuffix();
  absl::string_view suffix = lower;
  while (true) {
    const auto found = table.find(suffix);
    if (found != table.end()) return found->second;
    const size_t dot = suffix.find('.');
    if (dot == absl::string_view::npos) return kOther;
    suffix.remove_prefix(dot + 1);
  }
}

std::vector<absl::string_view> Providers() {
  std::vector<absl::string_view> names = {kLocal, kUnknown, kOther};
  for (const auto& row : kTable) names.push_back(row.provider);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace mailvane
