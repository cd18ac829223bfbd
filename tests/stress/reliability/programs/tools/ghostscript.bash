# ghostscript
# needs: gs
echo '%!PS
0 1 200 { dup mul pop } for /Courier findfont 12 scalefont setfont 72 72 moveto (text) show 10 10 lineto stroke (done) = showpage' >a.ps
gs -q -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r20 -sOutputFile=o.ppm a.ps
sha256sum o.ppm
echo 'nonsense quit' | gs -q -dNODISPLAY - | head -2
echo "${PIPESTATUS[1]}"
