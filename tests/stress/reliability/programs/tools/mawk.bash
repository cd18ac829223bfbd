# mawk
# needs: mawk
mawk 'BEGIN { for (i = 0; i < 200000; i++) s += i % 7; print s; while (("seq 5" | getline x) > 0) print x
  print "c\nb\na" | "sort"; close("sort"); system("exit 3"); printf "%.3f %s\n", atan2(1, 2), substr("hello", 2, 3); exit 4 }'
