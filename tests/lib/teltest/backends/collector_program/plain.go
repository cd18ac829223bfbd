//go:build !fleet

package main

import (
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/processor"
)

func moreExporters() []exporter.Factory { return nil }

func moreProcessors() []processor.Factory { return nil }
