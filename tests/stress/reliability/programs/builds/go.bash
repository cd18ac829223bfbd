# go
# needs: /usr/local/go/bin/go
mkdir -p /tmp/home/.config/go/telemetry
echo off >/tmp/home/.config/go/telemetry/mode
export GOFLAGS=-mod=mod GO111MODULE=off GOCACHE=/tmp/home/go GOTOOLCHAIN=local GOPATH=/tmp/home/gopath GOTELEMETRY=off
printf 'package main\nimport ("fmt"; "os")\nfunc main() { c := make(chan int); for i := 0; i < 9; i++ { go func(n int) { c <- n * n }(i) }; s := 0; for i := 0; i < 9; i++ { s += <-c }; fmt.Println(s); os.Exit(4) }\n' >m.go
gofmt=/usr/local/go/bin/gofmt
$gofmt -l m.go
/usr/local/go/bin/go vet -x nothing 2>/dev/null
echo $?
/usr/local/go/bin/go version | cut -d' ' -f1-2
rm -rf /tmp/home/go /tmp/home/.config
