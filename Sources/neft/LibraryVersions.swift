import CMPI
import CZstd
import Kernels
import Models

/// Versions of the C libraries in use.
enum LibraryVersions {
    /// - Parameter compute: of the products with weights.
    static func all(compute: ComputeType) -> [String: String] {
        let single = CPU.hasPanelKernel ? "neft, AVX-512" : "OpenBLAS"
        return [
            "gemm": compute == .bfloat16 ? "\(single); bf16 with weights" : single, "openblas": BLAS.configuration,
            "mpi": mpi,
            "zstd": String(cString: ZSTD_versionString()),
        ]
    }

    /// May be asked for before MPI is initialised, and without a launcher.
    static var mpi: String {
        var buffer = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING) + 1)
        var length: Int32 = 0
        guard MPI_Get_library_version(&buffer, &length) == MPI_SUCCESS else { return "unknown" }
        let text = String(decoding: buffer.prefix(Int(length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return String(text.prefix { $0 != "," && $0 != "\n" && $0 != "\0" })
    }
}
