# perl
# needs: perl
perl -e '$| = 1; my %h; $h{$_ % 101} += $_ for 1 .. 100000; print join(",", map { "$_=$h{$_}" } (sort { $a <=> $b } keys %h)[0..4]), "\n"; pipe(R, W); my $p = fork();
if (!$p) { close R; print W "child\n"; close W; exit 7 } close W; print <R>; waitpid $p, 0; print $? >> 8, "\n"; print `echo sub`; open(F, "|cat"); print F "piped\n"; close F;
$SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select undef, undef, undef, 1.5; opendir(D, "/proc/self/fd"); print scalar(grep /\d/, readdir D), "\n"; kill "USR2", $$; print "never\n"'
echo $?
perl -MDigest::SHA=sha1_hex -MTime::HiRes=sleep -e 'print sha1_hex(join ",", 1 .. 9999), "\n"; sleep 0.01; eval { die { code => 4 } }; print $@->{code}, "\n"; use threads; print join(",", map { $_->join } map { my $n = $_; threads->create(sub { $n * $n }) } 1 .. 5), "\n"; die "died\n"'
echo $?
