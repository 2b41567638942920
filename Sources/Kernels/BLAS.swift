import CKernels
import COpenBLAS

/// What decides how the kernels run on this machine; part of a run's manifest, because bits depend on it.
public enum BLAS {
    /// OpenBLAS's name of the kernels it chose for this CPU, for example `Cooperlake` or `Haswell`.
    public static var coreType: String { String(cString: openblas_get_corename()) }
    /// OpenBLAS's version and build options.
    public static var configuration: String { String(cString: openblas_get_config()) }
}

/// The processor as this process sees it.
public enum CPU {
    /// Whether the CPU has AVX-512, which the kernel of large products needs; without it OpenBLAS computes them.
    public static var hasPanelKernel: Bool { neft_sgemm_is_available() != 0 }
    /// CPUs this process may run on, as set by `mpirun`, Slurm or taskset; at least 1.
    public static var available: Int { Int(neft_affinity_cpu_count()) }
}
