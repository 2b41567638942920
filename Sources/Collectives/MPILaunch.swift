/// What the environment says of how this process was started.
public enum MPILaunch {
    /// Whether an MPI launcher (`mpirun`, `srun --mpi=pmix`) started this process. Without one MPI is not initialised:
    /// a lone `MPI_Init` spawns a daemon.
    public static func isLaunched(environment: [String: String]) -> Bool {
        ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"].contains { environment[$0] != nil }
    }

    /// The number of tasks of the Slurm step this process is one of, if `srun` started it directly.
    static func slurmTasks(environment: [String: String]) -> Int? {
        // Under mpirun the step belongs to the node daemons; in a batch script there is a job but no step.
        guard environment["OMPI_COMM_WORLD_SIZE"] == nil,
            let step = environment["SLURM_STEP_ID"] ?? environment["SLURM_STEPID"], Int(step) != nil
        else { return nil }
        return (environment["SLURM_STEP_NUM_TASKS"] ?? environment["SLURM_NTASKS"]).flatMap { Int($0) }
    }

    /// What is wrong with the launch, if `size` ranks found each other where Slurm started another number of tasks:
    /// each task would then do the whole run by itself and overwrite the others' files.
    /// - Parameters:
    ///   - environment: of the process.
    ///   - size: the size of the MPI world, 1 without MPI.
    public static func problem(environment: [String: String], size: Int) -> CollectiveError? {
        guard let tasks = slurmTasks(environment: environment), tasks != size else { return nil }
        return CollectiveError(
            subject: "launch",
            found: "srun started \(tasks) tasks, but MPI sees \(size) rank\(size == 1 ? "" : "s")",
            expected: "\(tasks) ranks",
            hint: "start with `srun --mpi=pmix`, or with `mpirun` inside sbatch or salloc")
    }
}
