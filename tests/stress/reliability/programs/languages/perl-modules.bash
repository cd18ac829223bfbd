# perl modules
# needs: perl prove
mkdir t
cat >t/a.t <<'E'
use Test::More tests => 5; use List::Util qw(sum first); use File::Temp qw(tempdir); use IPC::Open3; use Storable qw(freeze thaw);
is(sum(1 .. 100), 5050); is(first(sub { $_ > 3 }, 1 .. 9), 4); ok(-d tempdir(CLEANUP => 1)); my $pid = open3(my $in, my $out, undef, "cat"); print $in "x\n"; close $in; is(scalar(<$out>), "x\n"); waitpid $pid, 0;
is_deeply(thaw(freeze({ a => [1, 2] })), { a => [1, 2] });
E
echo 'use Test::More tests => 1; ok(0, "fails")' >t/b.t
prove -j2 t 2>&1 | grep -v wallclock | grep -e 'ok' -e Result -e Failed | sort
echo "${PIPESTATUS[0]}"
