#include "shim/redaction/clients.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/redaction/characters.h"

namespace telinject::redaction {

namespace {

using enum SecretPart;

constexpr std::string_view kMysql =
    " mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlslap mysqlbinlog mysqlpump "
    "mysql_upgrade mysqlsh mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check "
    "mariadb-show mariadb-slap mariadb-binlog mariadb-backup xtrabackup ";
constexpr std::string_view kMongo =
    " mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop mongofiles ";
constexpr std::string_view kLdap =
    " ldapsearch ldapadd ldapmodify ldapdelete ldappasswd ldapwhoami ldapcompare ldapmodrdn "
    "ldapexop ";
constexpr std::string_view kSnmp =
    " snmpget snmpwalk snmpset snmpbulkwalk snmpbulkget snmpgetnext snmptable snmptrap snmpstatus ";
constexpr std::string_view kImages =
    " docker podman nerdctl buildah skopeo helm oras crane oc regctl ";
constexpr std::string_view kArchives = " 7z 7za 7zr 7zz rar unrar ";
constexpr std::string_view kOracle = " sqlplus sqlldr exp imp expdp impdp rman sqlcl tnsping ";
constexpr std::string_view kCurl = " curl ";

constexpr ClientOption kOptions[] = {
    // -p without a value asks for it; "-p X" is not a password but a database.
    {kMysql, "-p", true, false, kAll},
    {" mycli litecli ", "-p", true, true, kAll},
    {kCurl, "-u", true, true, kAfterColon},
    {kCurl, "--user", false, true, kAfterColon},
    {kCurl, "-U", true, true, kAfterColon},
    {kCurl, "--proxy-user", false, true, kAfterColon},
    {kCurl, "-E", true, true, kAfterColon},
    {kCurl, "--cert", false, true, kAfterColon},
    {kCurl, "--proxy-cert", false, true, kAfterColon},
    {kCurl, "-b", true, true, kAll},
    {kCurl, "--cookie", false, true, kAll},
    {kCurl, "--pass", false, true, kAll},
    {kCurl, "--proxy-pass", false, true, kAll},
    {kCurl, "--tlspassword", false, true, kAll},
    {kCurl, "--oauth2-bearer", false, true, kAll},
    {" http https httpie xh xhs ", "-a", true, true, kAfterColon},
    {" http https httpie xh xhs ", "--auth", false, true, kAfterColon},
    {" ab ", "-A", true, true, kAfterColon},
    {" ab ", "-P", true, true, kAfterColon},
    {" hey wrk ", "-a", false, true, kAfterColon},
    {" curlftpfs ", "-o", true, true, kAfterColon},
    {" aria2c ", "--http-passwd", false, true, kAll},
    {" sshpass ", "-p", true, true, kAll},
    {" ssh-keygen ", "-N", true, true, kAll},
    {" ssh-keygen ", "-P", true, true, kAll},
    {" redis-cli valkey-cli keydb-cli redis-benchmark ", "-a", false, true, kAll},
    {" redis-cli valkey-cli keydb-cli ", "--pass", false, true, kAll},
    {kMongo, "-p", true, true, kAll},
    {kLdap, "-w", true, true, kAll},
    {" ldappasswd slappasswd ", "-s", true, true, kAll},
    {" ldappasswd ", "-a", true, true, kAll},
    {kImages, "-p", true, true, kAll, "login"},
    {kImages, "--creds", false, true, kAfterColon},
    {" skopeo ", "--src-creds", false, true, kAfterColon},
    {" skopeo ", "--dest-creds", false, true, kAfterColon},
    {" az argocd cf rosa ibmcloud ", "-p", true, true, kAll},
    {" az ", "--sas-token", false, true, kAll},
    {" ctr ", "-u", false, true, kAfterColon},
    {" ctr ", "--user", false, true, kAfterColon},
    {" smbclient rpcclient net smbget winexe wmic smbmap nbtscan ", "-U", true, true, kAfterSign},
    {" smbclient rpcclient net smbget winexe ", "--user", false, true, kAfterSign},
    {" lftp ", "-u", true, true, kAfterComma},
    {" open ", "-u", false, true, kAfterComma},
    {" ncftpput ncftpget ncftpls ncftp ", "-p", true, true, kAll},
    {" sqlcmd bcp osql ", "-P", true, true, kAll},
    {" cqlsh dse beeline hdbsql vertica ", "-p", true, true, kAll},
    {" vsql ", "-w", true, true, kAll},
    {" zip unzip zipcloak ", "-P", true, true, kAll},
    {kArchives, "-p", true, false, kAll},
    {kArchives, "-hp", true, false, kAll},
    {" openssl ", "-passin", false, true, kSource},
    {" openssl ", "-passout", false, true, kSource},
    {" openssl ", "-pass", false, true, kSource},
    {" openssl ", "-password", false, true, kSource},
    {" openssl ", "-passwd", false, true, kSource},
    {" openssl ", "-k", false, true, kAll},
    {" openssl ", "-K", false, true, kAll},
    {" openssl ", "-hmac", false, true, kAll},
    {" openssl ", "-macopt", false, true, kAfterColon},
    {" rabbitmqadmin ", "-p", true, true, kAll},
    {" influx ", "-t", false, true, kAll},
    {" doctl ", "-t", false, true, kAll},
    {" codecov vercel netlify ", "-t", false, true, kAll},
    {" vercel ", "-t", false, true, kAll},
    {" nuget dotnet choco ", "-k", false, true, kAll},
    {" nuget ", "-ApiKey", false, true, kAll},
    {" ipmitool ipmipower ipmi-sensors bmc-info ", "-P", true, true, kAll},
    {" ipmipower ipmi-sensors bmc-info racadm ilorest wsman ", "-p", true, true, kAll},
    {kSnmp, "-c", true, true, kAll},
    {kSnmp, "-A", true, true, kAll},
    {kSnmp, "-X", true, true, kAll},
    {" xfreerdp xfreerdp3 wlfreerdp rdesktop freerdp ", "-p", true, true, kAll},
    {" xfreerdp xfreerdp3 wlfreerdp freerdp ", "/p:", true, false, kAll},
    {" cmdkey ", "/pass:", true, false, kAll},
    {" x11vnc ", "-passwd", false, true, kAll},
    {" vncpasswd ", "-f", false, true, kAll},
    {" plink pscp psftp nodetool jmxterm nzsql ", "-pw", false, true, kAll},
    {" addprinc cpw ank add_principal ", "-pw", false, true, kAll},
    {" kadmin ", "-w", true, true, kAll},
    {" mosquitto_pub mosquitto_sub mosquitto_rr ", "-P", true, true, kAll},
    {" mqtt ", "-pw", false, true, kAll},
    {" svn svnsync svnrdump ", "--password", false, true, kAll},
    {" twine ", "-p", true, true, kAll},
    {" youtube-dl yt-dlp ", "-p", true, true, kAll},
    {" swaks ", "-ap", false, true, kAll},
    {" sendemail sendEmail ", "-xp", false, true, kAll},
    {" useradd usermod ", "-p", true, true, kAll},
    {" pdftotext pdfimages pdftoppm pdfinfo pdftops pdftocairo pdfunite ", "-upw", false, true,
     kAll},
    {" pdftotext pdfimages pdftoppm pdfinfo pdftops pdftocairo pdfunite ", "-opw", false, true,
     kAll},
    {" mutool ", "-p", false, true, kAll},
    {" pk12util certutil ", "-W", false, true, kAll},
    {" pk12util certutil ", "-K", false, true, kAll},
    {" evil-winrm crackmapexec netexec nxc hydra psexec ", "-p", true, true, kAll},
    {" gpg-preset-passphrase ", "-P", true, true, kAll},
    {" iscsiadm ", "-v", false, true, kAll, "node.session.auth.password"},
    {" vmrun ", "-gp", false, true, kAll},
    {" cryptsetup ", "-k", false, true, kAll},
    {" gh ", "--body", false, true, kAll, "secret"},
    {" gh ", "-b", true, true, kAll, "secret"},
    {" gem ", "--key", false, true, kAll},
    {" gem ", "-k", false, true, kAll},
    {" caddy ", "--plaintext", false, true, kAll},
    {" caddy ", "-p", false, true, kAll, "hash-password"},
    {" etcdctl ", "--user", false, true, kAfterColon},
    {" nats ", "--user", false, true, kAfterColon},
    {" aws ", "--value", false, true, kAll, "put-parameter"},
};

constexpr ClientArgument kArguments[] = {
    {" mysqladmin mariadb-admin ", "password", 0, 1, kAll},
    {" redis-cli valkey-cli keydb-cli ", "auth", 0, 2, kAll},
    {" redis-cli valkey-cli keydb-cli ", "requirepass", 0, 1, kAll},
    {" redis-cli valkey-cli keydb-cli ", "masterauth", 0, 1, kAll},
    {" rabbitmqctl ", "add_user", 1, 1, kAll},
    {" rabbitmqctl ", "change_password", 1, 1, kAll},
    {" rabbitmqctl ", "authenticate_user", 1, 1, kAll},
    {" htpasswd ", "-b*", 2, 1, kAll},
    {" htpasswd ", "-nb*", 1, 1, kAll},
    {" htpasswd ", "-bn*", 1, 1, kAll},
    {" htpasswd ", "-cb*", 2, 1, kAll},
    {" htpasswd ", "-Bb*", 2, 1, kAll},
    {" htpasswd ", "-Bbn*", 1, 1, kAll},
    {" htpasswd ", "-nBb*", 1, 1, kAll},
    {" htpasswd ", "-cBb*", 2, 1, kAll},
    {" ngrok ", "authtoken", 0, 1, kAll},
    {" ngrok ", "add-authtoken", 0, 1, kAll},
    {" cargo ", "login", 0, 1, kAll},
    {" snyk ", "auth", 0, 1, kAll},
    {" vault bao ", "login", 0, 1, kAll},
    {" vault bao ", "unseal", 0, 1, kAll},
    {" net net.exe ", "user", 1, 1, kAll},
    {" net net.exe ", "use", 2, 1, kAll},
    {" db2 ", "using", 0, 1, kAll},
    {" nmcli ", "password", 0, 1, kAll},
    {" nmcli ", "wifi-sec.psk", 0, 1, kAll},
    {" nmcli ", "802-11-wireless-security.psk", 0, 1, kAll},
    {" openssl ", "passwd", 0, 2, kAll},
    {" mkpasswd ", "", 0, 1, kAll},
    {" wpa_passphrase ", "", 1, 1, kAll},
    {" iwconfig ", "key", 0, 1, kAll},
    {" mc mcli ", "set", 2, 2, kAll},
    {" mc mcli ", "add", 2, 2, kAll},
    {" composer ", "http-basic.*", 1, 1, kAll},
    {" composer ", "github-oauth.*", 0, 1, kAll},
    {" composer ", "gitlab-token.*", 0, 1, kAll},
    {" poetry ", "http-basic.*", 1, 1, kAll},
    {" poetry ", "pypi-token.*", 0, 1, kAll},
    {" bundle bundler ", "config", 0, 3, kAfterColon},
    {kOracle, "", 0, 9, kAfterSlash},
    {" isql iusql ", "", 2, 1, kAll},
    {" pdftk ", "input_pw", 0, 1, kAll},
    {" pdftk ", "user_pw", 0, 1, kAll},
    {" pdftk ", "owner_pw", 0, 1, kAll},
    {" qpdf ", "--encrypt", 0, 2, kAll},
    {" travis ", "encrypt", 0, 1, kAll},
    {" virsh ", "secret-set-value", 1, 1, kAll},
    {" grafana-cli grafana ", "reset-admin-password", 0, 1, kAll},
    {" curlftpfs ", "", 0, 1, kAfterColon},
    {" heroku ", "config:set", 0, 9, kAfterEquals},
    {" flyctl fly ", "set", 0, 9, kAfterEquals},
    {" security ", "set-key-partition-list", 0, 1, kAll},
    {" smbpasswd ", "-a", 1, 1, kAll},
    {" htdigest ", "", 9, 1, kAll},
};

constexpr std::string_view kLaunchers =
    " sudo doas env nice ionice nohup timeout time stdbuf setsid setpriv chrt taskset strace "
    "ltrace gdb valgrind runuser chroot unshare nsenter "
    "telrun xargs watch exec ";

constexpr std::string_view kReaders[] = {"stdin",
                                         "fd:0",
                                         "chpasswd",
                                         "--stdin",
                                         "--password-stdin",
                                         "--passphrase-fd",
                                         "--with-token",
                                         "--pass-stdin",
                                         "--passphrase-fd=0",
                                         "--token-stdin",
                                         "kinit",
                                         "cryptsetup",
                                         "smbpasswd",
                                         "cntlm",
                                         "htpasswd",
                                         "--pinentry-mode",
                                         "--auth-stdin"};

struct Rows {
  std::vector<const ClientOption*> options;
  std::vector<const ClientArgument*> arguments;
};
using Table = absl::flat_hash_map<std::string_view, Rows>;

template <typename Add>
void each_program(std::string_view programs, Add add) {
  while (!programs.empty()) {
    size_t end = std::min(programs.find(' '), programs.size());
    if (end > 0) add(programs.substr(0, end));
    programs.remove_prefix(std::min(end + 1, programs.size()));
  }
}

Table make_table() {
  Table table;
  for (const ClientOption& row : kOptions) {
    each_program(row.programs, [&](auto name) { table[name].options.push_back(&row); });
  }
  for (const ClientArgument& row : kArguments) {
    each_program(row.programs, [&](auto name) { table[name].arguments.push_back(&row); });
  }
  return table;
}

std::string_view bare_name(std::string_view program) {
  program = program.substr(program.rfind('/') + 1);
  if (program.ends_with(".exe")) program.remove_suffix(4);
  return program;
}

}  // namespace

Client client(std::string_view program) {
  static const Table* table = new Table(make_table());
  auto found = table->find(bare_name(program));
  if (found == table->end()) return {};
  return {found->second.options, found->second.arguments};
}

bool is_launcher(std::string_view program) {
  std::string name = " ";
  name.append(bare_name(program)).append(" ");
  return kLaunchers.find(name) != std::string_view::npos;
}

bool reads_secret(std::string_view word) {
  return is_one_of(word, kReaders);
}

}  // namespace telinject::redaction
