"""Dropslot as CDK constructs: `DropslotStack` is the whole service, each construct one capability of it."""
