#include "shim/events/client_options.h"

namespace telinject {

namespace {

constexpr ClientOption kOptions[] = {
    // -p without a value asks for it; "-p X" is not a password but a database.
    {" mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlslap mysqlbinlog mysqlpump "
     "mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check mariadb-show mariadb-slap "
     "mariadb-binlog ",
     "-p", true, false, SecretPart::kAll},
    {" curl ", "-u", true, true, SecretPart::kAfterColon},
    {" curl ", "--user", false, true, SecretPart::kAfterColon},
    {" curl ", "-U", true, true, SecretPart::kAfterColon},
    {" curl ", "--proxy-user", false, true, SecretPart::kAfterColon},
    {" curl ", "-E", true, true, SecretPart::kAfterColon},
    {" curl ", "--cert", false, true, SecretPart::kAfterColon},
    {" curl ", "-b", true, true, SecretPart::kAll},
    {" curl ", "--cookie", false, true, SecretPart::kAll},
    {" curl ", "--pass", false, true, SecretPart::kAll},
    {" curl ", "--oauth2-bearer", false, true, SecretPart::kAll},
    {" http https httpie ", "-a", true, true, SecretPart::kAfterColon},
    {" http https httpie ", "--auth", false, true, SecretPart::kAfterColon},
    {" sshpass ", "-p", true, true, SecretPart::kAll},
    {" redis-cli valkey-cli ", "-a", false, true, SecretPart::kAll},
    {" redis-cli valkey-cli ", "--pass", false, true, SecretPart::kAll},
    {" mongo mongosh mongodump mongorestore mongoexport mongoimport ", "-p", true, true,
     SecretPart::kAll},
    {" ldapsearch ldapadd ldapmodify ldapdelete ldappasswd ldapwhoami ", "-w", true, true,
     SecretPart::kAll},
    {" docker podman nerdctl buildah skopeo helm oras ", "-p", false, true, SecretPart::kAll},
    {" skopeo ", "--creds", false, true, SecretPart::kAfterColon},
    {" smbclient rpcclient net ", "-U", true, true, SecretPart::kAfterSign},
    {" lftp ", "-u", false, true, SecretPart::kAfterComma},
    {" sqlcmd bcp isql ", "-P", true, true, SecretPart::kAll},
    {" zip unzip ", "-P", true, true, SecretPart::kAll},
    {" 7z 7za 7zr rar unrar ", "-p", true, false, SecretPart::kAll},
    {" openssl ", "-passin", false, true, SecretPart::kAll},
    {" openssl ", "-passout", false, true, SecretPart::kAll},
    {" openssl ", "-pass", false, true, SecretPart::kAll},
    {" openssl ", "-k", false, true, SecretPart::kAll},
    {" openssl ", "-K", false, true, SecretPart::kAll},
    {" rabbitmqadmin ", "-p", true, true, SecretPart::kAll},
    {" influx ", "-t", false, true, SecretPart::kAll},
    {" ipmitool ", "-P", true, true, SecretPart::kAll},
    {" snmpget snmpwalk snmpset snmpbulkwalk ", "-c", true, true, SecretPart::kAll},
    {" snmpget snmpwalk snmpset snmpbulkwalk ", "-A", true, true, SecretPart::kAll},
    {" snmpget snmpwalk snmpset snmpbulkwalk ", "-X", true, true, SecretPart::kAll},
    {" xfreerdp rdesktop ", "-p", true, true, SecretPart::kAll},
};

constexpr std::string_view kLaunchers =
    " sudo doas env nice ionice nohup timeout time stdbuf setsid setpriv chrt taskset strace "
    "ltrace gdb valgrind "
    "telrun xargs watch exec ";

std::string bare_name(std::string_view program) {
  program = program.substr(program.rfind('/') + 1);
  if (program.ends_with(".exe")) program.remove_suffix(4);
  return " " + std::string(program) + " ";
}

}  // namespace

std::vector<ClientOption> client_options(std::string_view program) {
  std::vector<ClientOption> options;
  std::string name = bare_name(program);
  for (const ClientOption& option : kOptions) {
    if (option.programs.find(name) != std::string_view::npos) options.push_back(option);
  }
  return options;
}

bool is_launcher(std::string_view program) {
  return kLaunchers.find(bare_name(program)) != std::string_view::npos;
}

}  // namespace telinject
