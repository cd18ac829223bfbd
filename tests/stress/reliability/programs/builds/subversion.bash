# subversion
# needs: svn svnadmin
svnadmin create r
u=file://$PWD/r
svn -q mkdir -m a $u/trunk
svn -q co $u/trunk w
cd w || exit
seq 50 >f
svn -q add f
svn -q ci -m one
sed -i 3d f
svn diff | tail -8
svn -q ci -m two
svn log -q | grep -c r
svn cat -r2 $u/trunk/f | wc -l
svnadmin verify -q ../r
svn info nothing 2>/dev/null
echo $?
rm -rf .svn ../r ../../home/.subversion
