# zip
# needs: zip unzip
mkdir d
seq 3000 >d/a
seq 9 >d/b
touch -d @1000000000 d d/a d/b
zip -qrX z.zip d
unzip -l z.zip | tail -1
mkdir o
unzip -q z.zip -d o
diff -r d o/d
unzip -tq z.zip
zip -qd z.zip d/b
unzip -p z.zip d/a | md5sum
unzip -q missing.zip
echo $?
