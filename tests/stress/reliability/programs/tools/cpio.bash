# cpio
# needs: cpio
mkdir d
for i in $(seq 50); do seq $i >d/$i; done
find d | sort | cpio -oH newc --quiet >c
mkdir o
(
  cd o
  cpio -id --quiet <../c
)
diff -r d o/d && echo same
echo junk | cpio -t
echo $?
