"""The consumer under the Kinesis Client Library: supervisor, JVM daemon, one shard process per lease."""
