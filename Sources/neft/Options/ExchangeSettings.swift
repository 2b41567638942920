import ArgumentParser
import Collectives

/// How ranks exchange the trained rows. Every choice but `--wire bf16` gives the same result, bit for bit.
struct ExchangeSettings: ParsableArguments {
    @Option(help: "What travels between ranks: plain floats, losslessly coded, or rounded to bfloat16 (lossy).")
    var wire = ExchangeOptions.Wire.exact

    @Option(help: "Who updates a row: its owner, or every rank.")
    var exchange = ExchangeOptions.Mode.sharded

    @Option(help: "Whether messages are compressed; auto measures it in the first steps.")
    var codec = ExchangeOptions.Codec.auto

    @Option(help: "Whether the ranks of a node sum in shared memory first; auto: if several nodes have several ranks.")
    var hierarchy = ExchangeOptions.Hierarchy.auto

    var options: ExchangeOptions {
        ExchangeOptions(mode: exchange, wire: wire, codec: codec, hierarchy: hierarchy)
    }
}

extension ExchangeOptions.Wire: ExpressibleByArgument {}
extension ExchangeOptions.Mode: ExpressibleByArgument {}
extension ExchangeOptions.Codec: ExpressibleByArgument {}
extension ExchangeOptions.Hierarchy: ExpressibleByArgument {}
