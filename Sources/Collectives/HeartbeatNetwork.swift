import Foundation

/// Where a rank runs and by which addresses it can be reached: what the ranks tell each other to find a common network.
struct HeartbeatNetwork: Equatable {
    struct Interface: Equatable {
        let name: String
        /// IPv4, most significant byte first.
        let address: UInt32
        let mask: UInt32
        var network: UInt32 { address & mask }
    }

    /// The same for processes that reach each other by the loopback interface.
    let place: String
    let interfaces: [Interface]

    static let loopback: UInt32 = 0x7F00_0001

    init(place: String, interfaces: [Interface]) {
        self.place = place
        self.interfaces = interfaces
    }

    /// Of this process: its IPv4 interfaces, of those that Open MPI has been told to use.
    static func local(environment: [String: String]) -> HeartbeatNetwork {
        let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? localHostName()
        var namespace = stat()
        let inode = stat("/proc/self/ns/net", &namespace) == 0 ? namespace.st_ino : 0
        let place = "\(boot.prefix { $0 != "\n" }):\(inode)"
        let included = list(environment["OMPI_MCA_btl_tcp_if_include"])
        let excluded = list(environment["OMPI_MCA_btl_tcp_if_exclude"])
        var interfaces: [Interface] = []
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return HeartbeatNetwork(place: place, interfaces: []) }
        defer { freeifaddrs(first) }
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            let flags = Int32(bitPattern: entry.ifa_flags)
            guard let address = ipv4(entry.ifa_addr), let mask = ipv4(entry.ifa_netmask),
                flags & Int32(IFF_UP) != 0, flags & Int32(IFF_LOOPBACK) == 0
            else { continue }
            let interface = Interface(name: String(cString: entry.ifa_name), address: address, mask: mask)
            let isIncluded = included.isEmpty || included.contains { matches(interface, $0) }
            if isIncluded, !excluded.contains(where: { matches(interface, $0) }) { interfaces.append(interface) }
        }
        return HeartbeatNetwork(place: place, interfaces: interfaces)
    }

    /// The address of rank 0 by which all ranks can reach it: the loopback's if all are in one place, else that in the
    /// first network that all of them are in, else its first. The same on every rank.
    /// - Parameter all: by rank.
    static func address(of all: [HeartbeatNetwork]) -> UInt32? {
        guard let root = all.first else { return nil }
        let places = Dictionary(all.map { ($0.place, $0) }, uniquingKeysWith: { first, _ in first })
        if places.count == 1 { return loopback }
        let common = root.interfaces.first { interface in
            // A bridge for containers has the same address on every host and leads nowhere.
            let addresses = places.values.compactMap { other in
                other.interfaces.first { $0.network == interface.network && $0.mask == interface.mask }?.address
            }
            return addresses.count == places.count && Set(addresses).count == places.count
        }
        return (common ?? root.interfaces.first)?.address
    }

    // MARK: - As a message

    var bytes: [UInt8] {
        let lines = [place] + interfaces.map { "\($0.name) \($0.address) \($0.mask)" }
        return Array(lines.joined(separator: "\n").utf8)
    }

    init(bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        place = lines.first.map(String.init) ?? ""
        interfaces = lines.dropFirst().compactMap { line in
            let parts = line.split(separator: " ")
            guard parts.count == 3, let address = UInt32(parts[1]), let mask = UInt32(parts[2]) else { return nil }
            return Interface(name: String(parts[0]), address: address, mask: mask)
        }
    }

    // MARK: - Pieces

    private static func list(_ text: String?) -> [String] { text?.split(separator: ",").map(String.init) ?? [] }

    /// `pattern`: a name, or a network such as `10.1.0.0/16`.
    static func matches(_ interface: Interface, _ pattern: String) -> Bool {
        let parts = pattern.split(separator: "/")
        guard parts.count == 2, let length = Int(parts[1]), (0...32).contains(length) else {
            return interface.name == pattern
        }
        var address = in_addr()
        guard inet_pton(AF_INET, String(parts[0]), &address) == 1 else { return false }
        let mask = length == 0 ? 0 : UInt32.max << UInt32(32 - length)
        return (interface.address ^ UInt32(bigEndian: address.s_addr)) & mask == 0
    }

    private static func ipv4(_ address: UnsafeMutablePointer<sockaddr>?) -> UInt32? {
        guard let address, Int32(address.pointee.sa_family) == AF_INET else { return nil }
        return UnsafeRawPointer(address).withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
            UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
        }
    }
}
