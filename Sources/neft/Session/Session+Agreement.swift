import Checkpoints
import Collectives
import Foundation

extension Session {
    /// Runs something collective that fails on every rank or on none, with the same error.
    func together<Result, E: Error>(_ body: () throws(E) -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw AgreedFailure(failure: Failure(error))
        }
    }

    /// Checks that all ranks see the same value of something, such as a model's hash. Collective.
    func requireAgreement(on subject: String, value: String) throws {
        try together { () throws(CollectiveError) in try communicator.requireAgreement(on: subject, value: value) }
    }

    /// Checks that all ranks see the same bytes in a file.
    /// - Returns: SHA-256 of the file.
    func requireAgreement(onFile path: String) throws -> String {
        let (size, hash) = try agree { () throws -> (Int, String) in
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
            return (size ?? 0, try BaseHash.ofFile(path))
        }
        try requireAgreement(on: path, value: "\(size) bytes with SHA-256 \(hash)")
        return hash
    }
}
