//go:build fleet

package main

import (
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/loadbalancingexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/processor"
)

func moreExporters() []exporter.Factory {
	return []exporter.Factory{loadbalancingexporter.NewFactory()}
}

func moreProcessors() []processor.Factory {
	return []processor.Factory{tailsamplingprocessor.NewFactory()}
}
