# Perl's LWP::UserAgent against the server of the first argument.
use strict;
use warnings;
use LWP::UserAgent;

my $agent = LWP::UserAgent->new(keep_alive => 1);
for my $path ("/small.txt", "/large.txt", "/gone") {
    my $answer = $agent->get($ARGV[0] . $path);
    printf "%d %d\n", $answer->code, length $answer->content;
}
