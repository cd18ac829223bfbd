# coreutils
# needs: sort sha256sum split
seq 1 30000 >n
shuf --random-source=n n | sort -n | cmp - n && echo same
sort -R --random-source=n n | head -3
tac n | head -2
nl n | tail -1
rev <(head -12 n | tail -1)
split -l 7000 n part.
wc -l part.*
cat part.* | sha256sum
csplit -s n 100 200
ls xx*
paste -d, <(seq 5) <(seq 6 10) | cut -d, -f2 | tr 0-9 a-j
join <(seq 5 | sort) <(seq 3 9 | sort)
comm -12 <(seq 9 | sort) <(seq 4 12 | sort) | fmt
head -c 1000 n | base64 | md5sum
od -An -tx1 n | head -2
factor 123456789 | tee f | wc -c
expr 6 \* 7
printf '%05d|%s\n' 42 x
mkdir -p a/b
touch a/b/c
ln -s c a/b/d
cp -a a z
mv z/b z/y
rm -r a
stat -c '%a %F %s' z/y/c z/y/d
readlink -f z/y/d
timeout 0.05 sleep 9
echo $?
yes | head -100000 | uniq -c
test -d z -a ! -e a
echo $?
env -u HOME sh -c 'echo ${HOME-none}'
nice -n 3 nice
