// The Datadog agent's own OTLP receiver: takes OTLP over gRPC on 127.0.0.1, port os.Args[1], and prints the
// Datadog spans that it makes, one JSON object a line.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strconv"

	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/attributes"
	"github.com/DataDog/datadog-agent/pkg/trace/api"
	"github.com/DataDog/datadog-agent/pkg/trace/config"
	"github.com/DataDog/datadog-agent/pkg/trace/timing"
	"github.com/DataDog/datadog-go/v5/statsd"
	"go.opentelemetry.io/collector/component/componenttest"
	_ "google.golang.org/grpc/encoding/gzip"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	translator, err := attributes.NewTranslator(componenttest.NewNopTelemetrySettings())
	if err != nil {
		log.Fatal(err)
	}
	settings := config.New()
	settings.Hostname = "agent"
	settings.OTLPReceiver.BindHost = "127.0.0.1"
	settings.OTLPReceiver.GRPCPort = port
	settings.OTLPReceiver.ProbabilisticSampling = 100
	settings.OTLPReceiver.AttributesTranslator = translator
	payloads := make(chan *api.Payload, 1000)
	nothing := &statsd.NoOpClient{}
	api.NewOTLPReceiver(payloads, settings, nothing, timing.New(nothing)).Start()
	out := json.NewEncoder(os.Stdout)
	for payload := range payloads {
		made := payload.TracerPayload
		for _, chunk := range made.Chunks {
			for _, span := range chunk.Spans {
				line := map[string]any{"span": span, "env": made.Env, "host": made.Hostname,
					"priority": chunk.Priority, "chunk_tags": chunk.Tags}
				if err := out.Encode(line); err != nil {
					log.Fatal(err)
				}
			}
		}
	}
}
