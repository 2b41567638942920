import Glibc

/// A UDP socket over IPv4 for packets of a fixed size.
final class HeartbeatSocket {
    struct Packet: Equatable {
        enum Kind: UInt32 {
            /// The sender is alive.
            case beat = 1
            /// A rank is not: the run is over.
            case end = 2
        }

        static let byteCount = 24

        var token: [UInt8]
        var kind: Kind
        var rank: Int

        init(token: [UInt8], kind: Kind, rank: Int) {
            self.token = token
            self.kind = kind
            self.rank = rank
        }

        /// nil if the bytes are no packet.
        init?(_ bytes: [UInt8]) {
            guard bytes.count == Self.byteCount else { return nil }
            token = Array(bytes[0..<16])
            let words = bytes.withUnsafeBytes { raw in
                [16, 20].map { UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt32.self)) }
            }
            guard let kind = Kind(rawValue: words[0]) else { return nil }
            self.kind = kind
            rank = Int(words[1])
        }

        var bytes: [UInt8] {
            token + [kind.rawValue.littleEndian, UInt32(rank).littleEndian].withUnsafeBytes { Array($0) }
        }
    }

    let descriptor: Int32
    /// Of this end.
    private(set) var port: UInt16 = 0

    /// A socket that listens at one address of this host only, at a port of the system's choice.
    init?(listeningAt address: UInt32) {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Self.flags, 0)
        guard descriptor >= 0 else { return nil }
        var own = Self.socketAddress(address, port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = Self.withAddress(&own) {
            bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
        guard isBound else { return nil }
        port = UInt16(bigEndian: own.sin_port)
    }

    /// A socket that only talks with one address: packets from others do not arrive.
    init?(connectedTo address: UInt32, port: UInt16) {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Self.flags, 0)
        guard descriptor >= 0 else { return nil }
        var other = Self.socketAddress(address, port: port)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        guard Self.withAddress(&other, { connect(descriptor, $0, length) }) == 0 else { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Sends a packet, or does not: what is lost now comes again in a second.
    /// `address`: nil for the one the socket is connected to.
    func send(_ packet: Packet, to address: sockaddr_in? = nil) {
        let bytes = packet.bytes
        guard var address else {
            _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            return
        }
        _ = Self.withAddress(&address) {
            sendto(
                descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0,
                socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }

    /// The next packet that has arrived and where it came from; nil if there is none. What is no packet is passed over.
    func receive() -> (packet: Packet, from: sockaddr_in)? {
        var buffer = [UInt8](repeating: 0, count: Packet.byteCount + 1)
        var failures = 0
        while failures < 16 {
            var from = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = Self.withAddress(&from) { address in
                recvfrom(descriptor, &buffer, buffer.count, 0, address, &length)
            }
            if count < 0 {
                if errno == EAGAIN { return nil }
                // A refusal that an earlier packet met, or a signal.
                failures += 1
                continue
            }
            if let packet = Packet(Array(buffer[0..<count])) { return (packet, from) }
        }
        return nil
    }

    private static let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    private static func socketAddress(_ address: UInt32, port: UInt16) -> sockaddr_in {
        var result = sockaddr_in()
        result.sin_family = sa_family_t(AF_INET)
        result.sin_port = port.bigEndian
        result.sin_addr = in_addr(s_addr: address.bigEndian)
        return result
    }

    private static func withAddress<Result>(
        _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>) -> Result
    ) -> Result {
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
        }
    }
}
