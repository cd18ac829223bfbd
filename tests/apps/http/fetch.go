// Go's net/http: its sockets are system calls of its own, which no preloaded library sees.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	for _, path := range []string{"/small.txt", "/gone"} {
		answer, err := http.Get(os.Args[1] + path)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Println(answer.StatusCode, len(body))
	}
}
