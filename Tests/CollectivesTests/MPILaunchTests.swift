import Testing

@testable import Collectives

@Suite struct MPILaunchTests {
    @Test func launchersAreKnownByTheirVariables() {
        #expect(!MPILaunch.isLaunched(environment: [:]))
        #expect(!MPILaunch.isLaunched(environment: ["SLURM_NTASKS": "4", "SLURM_PROCID": "0"]))
        for name in ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"] {
            #expect(MPILaunch.isLaunched(environment: [name: "0"]))
        }
    }

    @Test func tasksThatDoNotFindEachOtherAreAProblem() throws {
        let step = ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"]
        let problem = try #require(MPILaunch.problem(environment: step, size: 1))
        #expect(
            problem.description == "launch: srun started 4 tasks, but MPI sees 1 rank; expected 4 ranks; "
                + "start with `srun --mpi=pmix`, or with `mpirun` inside sbatch or salloc")
        #expect(MPILaunch.problem(environment: ["SLURM_STEP_ID": "1", "SLURM_NTASKS": "2"], size: 1) != nil)
        #expect(MPILaunch.problem(environment: step.merging(["PMIX_RANK": "2"]) { $1 }, size: 4) == nil)
    }

    @Test func otherLaunchesAreNot() {
        #expect(MPILaunch.problem(environment: [:], size: 1) == nil)
        // A batch script that runs one process itself.
        #expect(MPILaunch.problem(environment: ["SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"], size: 1) == nil)
        // Under mpirun the step is that of the node daemons.
        let daemons = ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "OMPI_COMM_WORLD_SIZE": "8"]
        #expect(MPILaunch.problem(environment: daemons, size: 8) == nil)
        #expect(MPILaunch.problem(environment: daemons, size: 1) == nil)
    }
}
