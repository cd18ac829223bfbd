# protoc
# needs: protoc
echo 'syntax = "proto3"; package p; message M { int32 a = 1; repeated string b = 2; map<string, M> c = 3; }' >m.proto
protoc --cpp_out=. --python_out=. m.proto
md5sum m.pb.cc | cut -c1-8
wc -l <m_pb2.py
protoc --descriptor_set_out=d --include_imports m.proto
sha256sum d
printf 'a: 5 b: "x" b: "y" c { key: "k" value { a: 1 } }' | protoc --encode=p.M m.proto >e
sha256sum e
protoc --decode=p.M m.proto <e
protoc --decode_raw <e
echo 'junk' | protoc --encode=p.M m.proto
echo $?
echo 'message {' >bad.proto
protoc --cpp_out=. bad.proto
echo $?
