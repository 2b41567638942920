import ArgumentParser
import Collectives

/// How ranks exchange the trained rows. Every choice gives the same result, bit for bit.
struct ExchangeSettings: ParsableArguments {
    @Option(help: "What travels between ranks: plain floats, or losslessly coded.")
    var wire = ExchangeOptions.Wire.exact

    @Option(help: "Who updates a row: its owner, or every rank.")
    var exchange = ExchangeOptions.Mode.sharded

    @Option(help: "The coder of --wire exact.")
    var codec = ExchangeOptions.Codec.zstd

    var options: ExchangeOptions { ExchangeOptions(mode: exchange, wire: wire, codec: codec) }
}

extension ExchangeOptions.Wire: ExpressibleByArgument {}
extension ExchangeOptions.Mode: ExpressibleByArgument {}
extension ExchangeOptions.Codec: ExpressibleByArgument {}
