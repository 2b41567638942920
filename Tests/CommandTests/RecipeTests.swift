import Foundation
import TestSupport
import Testing

/// The files of cluster/recipes: the commands in their opening comments are run as they stand.
@Suite(.serialized)
struct RecipeTests {
    private static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let names = [
        "classification", "lora-baseline", "requeue", "slow-link", "slurm-four-nodes", "small-memory",
        "two-processes", "weight-shift",
    ]

    private static let hasBFloat16 =
        (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.contains("avx512_bf16") == true

    /// Starts a program that stands behind its options, without the options: in the place of mpirun, srun and sbatch.
    private static let starter = """
        #!/bin/sh
        while [ $# -gt 0 ]; do
            case $1 in
            "$NEFT" | sh | true) exec "$@" ;;
            *.sbatch) exec env SLURM_JOB_ID=1 SLURM_JOB_NODELIST=here SLURM_CPUS_PER_TASK=2 bash "$1" ;;
            esac
            shift
        done
        exit 9

        """

    /// Lets the words MODEL, DATA, RUN and hosts of a command mean something.
    private func makeSandbox(labelled: Bool = false) throws -> Sandbox {
        let sandbox = try Sandbox()
        let files = FileManager.default
        try files.createSymbolicLink(
            atPath: sandbox.path("cluster"), withDestinationPath: Self.package.appendingPathComponent("cluster").path)
        try files.moveItem(atPath: sandbox.path("model"), toPath: sandbox.path("MODEL"))
        try files.createDirectory(atPath: sandbox.path("DATA"), withIntermediateDirectories: false)
        for (name, count) in [("train", 24), ("valid", 6)] {
            let rows = (0..<count).map { number in
                let word = number % 2 == 0 ? "ab" : "yz"
                return labelled
                    ? #"{"text": "number \#(number)", "label": "\#(word)"}"#
                    : #"{"prompt": "number \#(number)", "completion": "\#(word)"}"#
            }
            try sandbox.write("DATA/\(name).jsonl", rows.joined(separator: "\n") + "\n")
        }
        try sandbox.write("hosts", "a slots=1\nb slots=1\nc slots=1\nd slots=1\n")
        return sandbox
    }

    private func text(_ name: String) throws -> String {
        try String(
            contentsOf: Self.package.appendingPathComponent("cluster/recipes/\(name).yaml"), encoding: .utf8)
    }

    private func commands(_ name: String) throws -> [String] {
        try text(name).split(separator: "\n").prefix { $0.hasPrefix("#") }.filter { $0.hasPrefix("#   ") }
            .map { String($0.dropFirst(4)) }
    }

    @Test func allAreTested() throws {
        let folder = Self.package.appendingPathComponent("cluster/recipes").path
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == Self.names.map { "\($0).yaml" })
        let page = try String(contentsOf: Self.package.appendingPathComponent("docs/cluster.md"), encoding: .utf8)
        for name in Self.names { #expect(page.contains("](../cluster/recipes/\(name).yaml)"), "\(name)") }
    }

    /// What each command would start, with `neft config` in the place of `neft`: every option of the file arrives.
    @Test(arguments: names)
    func commandsParse(name: String) async throws {
        let sandbox = try makeSandbox()
        let program = try ProductPath.executable("neft").path
        try FileManager.default.createDirectory(atPath: sandbox.path("bin"), withIntermediateDirectories: false)
        for tool in ["mpirun", "srun", "sbatch"] { try sandbox.write("bin/\(tool)", Self.starter) }
        try sandbox.write(
            "bin/neft", "#!/bin/sh\n[ \"$1\" = doctor ] || exec '\(program)' config \"$@\"\n")
        let commands = try commands(name)
        #expect(!commands.isEmpty)
        for command in commands {
            let script = """
                set -eu
                chmod +x bin/*
                PATH=$PWD/bin:$PATH NEFT=$PWD/bin/neft
                export PATH NEFT
                \(command)
                exec "$@"
                """
            let outcome = try await sandbox.limited(script, ["true"])
            #expect(outcome.exitCode == 0, "\(command): \(outcome)")
            let lines = outcome.stdout.split(separator: "\n").map(String.init)
            #expect(lines.contains { $0.hasPrefix("model: MODEL ") && $0.hasSuffix("# command line") }, "\(outcome)")
            let file = "cluster/recipes/\(name).yaml"
            var count = 0
            for (number, line) in try text(name).split(separator: "\n").enumerated() where !line.hasPrefix("#") {
                let setting = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
                let origin = try #require(lines.first { $0.hasPrefix(setting + " ") }, "\(setting): \(outcome)")
                if origin.hasSuffix("# \(file):\(number + 1)") { count += 1 }
                // A batch script gives it as well.
                if !origin.hasSuffix("# command line") { #expect(origin.hasSuffix(":\(number + 1)"), "\(origin)") }
            }
            #expect(count > 2)
        }
    }

    /// On the tiny model and two ranks or one, as the comment says.
    @Test(arguments: names.filter { !$0.hasPrefix("s") || $0 == "small-memory" && hasBFloat16 })
    func recipesRun(name: String) async throws {
        let sandbox = try makeSandbox(labelled: name == "classification")
        let command = try #require(try commands(name).first { $0.hasPrefix("cluster/launch ") })
        // Of rows as long as a recipe allows. No ssh is needed on one host, but its absence stops mpirun.
        let script = """
            set -eu
            sed -i 's/"max_position_embeddings": 256/"max_position_embeddings": 1024/' MODEL/config.json
            export NEFT='\(try ProductPath.executable("neft").path)' OMPI_MCA_plm_rsh_agent=
            \(command)
            exec "$@"
            """
        let outcome = try await sandbox.limited(script, ["true"])
        #expect(outcome.exitCode == 0, "\(outcome)")
        let result = name == "lora-baseline" ? "adapter_model.safetensors" : "adapter.safetensors"
        #expect(sandbox.exists("RUN/final/\(result)"), "\(outcome)")
    }
}
