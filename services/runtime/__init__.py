"""The kernel: brokers, the worker loop, settings, logs, metrics, HTTP. It knows records, and no news, rules or mail."""
