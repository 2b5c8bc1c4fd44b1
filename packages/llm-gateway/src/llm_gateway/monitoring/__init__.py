"""What the gateway tells about itself: Prometheus metrics and OpenTelemetry. Imported only where it is configured."""
