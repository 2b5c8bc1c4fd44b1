"""What the gateway reports about itself: Prometheus metrics and OpenTelemetry. Imported only where it is configured."""
