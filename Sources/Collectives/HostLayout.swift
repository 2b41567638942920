import CMPI

/// Which ranks share a host, and their numbers when they are counted host by host.
struct HostLayout {
    /// This rank's number in the new order, and among the ranks of its host.
    let position: Int
    let localRank: Int
    /// By new number: the host, from 0.
    let hostOfPosition: [Int]
    /// Ranks per host; 1 if they differ.
    let ranksPerHost: Int
    /// The ranks of this host.
    let host: MPI_Comm

    /// Collective over `world`.
    /// `ranksPerHost`: takes every so many ranks of a host for a host of their own.
    init(_ world: MPI_Comm, start: MPIStart, ranksPerHost: Int?) {
        var value: Int32 = 0
        start.check(MPI_Comm_rank(world, &value), "MPI_Comm_rank")
        let worldRank = Int(value)
        start.check(MPI_Comm_size(world, &value), "MPI_Comm_size")
        let size = Int(value)

        var sharing: MPI_Comm? = nil
        start.check(
            MPI_Comm_split_type(world, Int32(MPI_COMM_TYPE_SHARED), 0, neft_mpi_info_null(), &sharing),
            "MPI_Comm_split_type")
        start.check(MPI_Comm_rank(sharing, &value), "MPI_Comm_rank")
        let part = Int(value) / (ranksPerHost ?? size)
        var own: MPI_Comm? = nil
        start.check(MPI_Comm_split(sharing, Int32(part), value, &own), "MPI_Comm_split")
        start.check(MPI_Comm_free(&sharing), "MPI_Comm_free")
        start.check(MPI_Comm_set_errhandler(own, neft_mpi_errors_return()), "MPI_Comm_set_errhandler")
        start.check(MPI_Comm_rank(own, &value), "MPI_Comm_rank")
        localRank = Int(value)
        host = own!

        var leader = UInt64(worldRank)
        start.check(MPI_Bcast(&leader, 8, neft_mpi_byte(), 0, own), "MPI_Bcast")
        var leaders = [UInt64](repeating: 0, count: size)
        start.check(MPI_Allgather(&leader, 8, neft_mpi_byte(), &leaders, 8, neft_mpi_byte(), world), "MPI_Allgather")
        let (order, hosts) = HostLayout.order(leaders: leaders.map { Int($0) })
        position = order.firstIndex(of: worldRank)!
        hostOfPosition = hosts
        self.ranksPerHost = HostLayout.evenCount(hosts)
    }

    /// The ranks host by host, and the host's number of each.
    /// - Parameter leaders: by rank: the lowest rank of its host.
    static func order(leaders: [Int]) -> (ranks: [Int], hosts: [Int]) {
        let ranks = leaders.indices.sorted { (leaders[$0], $0) < (leaders[$1], $1) }
        var hosts: [Int] = []
        for (index, rank) in ranks.enumerated() {
            let isNew = index > 0 && leaders[ranks[index - 1]] != leaders[rank]
            hosts.append((hosts.last ?? 0) + (isNew ? 1 : 0))
        }
        return (ranks, hosts)
    }

    /// How many ranks each host has; 1 if they differ.
    static func evenCount(_ hosts: [Int]) -> Int {
        guard let last = hosts.last, hosts.count % (last + 1) == 0 else { return 1 }
        let count = hosts.count / (last + 1)
        return hosts.indices.allSatisfy { hosts[$0] == $0 / count } ? count : 1
    }
}

/// The funnel of MPI's return codes before there is a communicator.
struct MPIStart {
    let host: String
    let onFailure: (String) -> Void

    func check(_ code: Int32, _ call: StaticString) {
        guard code != MPI_SUCCESS else { return }
        onFailure("a rank on \(host): \(call): \(MPICommunicator.text(of: code))")
        MPI_Abort(neft_mpi_comm_world(), 1)
    }
}
