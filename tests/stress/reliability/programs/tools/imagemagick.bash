# imagemagick
# needs: convert
convert -size 120x90 gradient:red-blue +set date:create +set date:modify a.png
convert a.png -resize 50% -rotate 30 -blur 0x1 b.ppm
sha256sum b.ppm
identify -format '%wx%h %m\n' a.png b.ppm
convert a.png \( +clone -flip \) -append -colors 8 c.gif
compare -metric AE a.png a.png null: 2>&1
echo
convert missing.png x.png
echo $?
