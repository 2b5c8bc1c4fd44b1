"""The commented configuration that `llm-gateway init` writes."""

TEMPLATE = """\
# LLM Gateway. Try it:        llm-gateway start --config gateway.yaml
# Check it without starting:  llm-gateway check --config gateway.yaml
# All settings:               llm-gateway schema --markdown

server:
  host: "127.0.0.1"        # 0.0.0.0 listens on all addresses: then add `basic-apikey-auth` below
  port: 3000

# Models that clients and plugins can name. `${NAME}` is taken from the environment, or from `.env` next to this file.
models:
  - name: echo             # answers without any key, to try things out
    isDefault: true
    provider:
      type: echo

#  - name: gpt
#    aliases: ["gpt-4o", "gpt-4.1*"]          # what clients may ask for as well
#    provider:
#      type: openai
#      config:
#        apiKey: "${OPENAI_API_KEY}"
#        model: "gpt-4.1"

#  - name: claude
#    provider:
#      type: anthropic
#      config:
#        apiKey: "${ANTHROPIC_API_KEY}"
#        model: "claude-sonnet-4-5"

#  - name: local                              # any server with an OpenAI-compatible API
#    provider:
#      type: openai
#      config:
#        baseUrl: "http://localhost:11434/v1"
#        model: "llama3.2"

# Plugins of all projects. A lower priority runs earlier before the model, and later after it.
plugins:
  - name: logger
    type: logger

#  - name: auth
#    type: basic-apikey-auth
#    priority: 1
#    config:
#      apikeys: ["${GATEWAY_KEY}"]

#  - name: pii
#    type: regex-hider
#    config:
#      patterns:
#        - pattern: "\\\\b\\\\d{3}-\\\\d{2}-\\\\d{4}\\\\b"
#          replacement: "[REDACTED|SSN]"

# Projects have an address of their own (/{name}/openai/v1/…, /{name}/anthropic/v1/…) and inherit all of the above.
projects:
  - name: test
    description: "Test project"

#    plugins:
#      - name: router
#        type: model-router
#        config:
#          model: gpt
#          fallbacks: [claude, local]

monitoring:
  enabled: true
  health_check:
    endpoint: "/health"

logging:
  level: info              # debug, info, warning, error
  format: simple           # or json
"""
