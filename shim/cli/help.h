// What telinject and telrun print about themselves, on stdout. Each returns the status to exit
// with: not 0 if it could not be written.
#pragma once

namespace telinject {

int print_version();
int print_commands();
int print_run_help();
int print_convert_help();
int print_settings();
int print_settings_markdown();  // docs/settings.md is this

}  // namespace telinject
