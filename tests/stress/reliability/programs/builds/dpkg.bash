# dpkg
# needs: dpkg-deb dpkg
mkdir -p p/DEBIAN p/usr/share/x
printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n' >p/DEBIAN/control
seq 500 >p/usr/share/x/f
export SOURCE_DATE_EPOCH=1
dpkg-deb -Zxz --root-owner-group -b p x.deb
dpkg-deb -c x.deb | wc -l
dpkg-deb -f x.deb Version
dpkg-deb -x x.deb o
cmp p/usr/share/x/f o/usr/share/x/f && echo same
dpkg --compare-versions 1.0~rc1 lt 1.0 && echo less
dpkg -s bash | grep -c Status
dpkg-deb -c p 2>/dev/null
echo $?
