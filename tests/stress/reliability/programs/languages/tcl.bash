# tcl
# needs: tclsh
tclsh <<'E'
set s 0; for {set i 0} {$i < 50000} {incr i} { incr s [expr {$i % 7}] }; puts $s; puts [exec echo sub | cat]; puts [lsort -integer {3 1 2}]; catch { exec sh -c {exit 3} } m o; puts [lindex [dict get $o -errorcode] 2]
set f [open "|cat" r+]; puts $f hi; flush $f; puts [gets $f]; close $f; after 20 { set done 1 }; vwait done; exit 4
E
echo $?
