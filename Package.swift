// swift-tools-version:6.0
import PackageDescription

#if arch(x86_64)
    // Without it Swift targets SSE2 and SIMD multiply-add becomes a library call. Checked at start-up.
    let vectorFlags = ["-Xcc", "-march=x86-64-v3"]
#else
    let vectorFlags: [String] = []
#endif

let module: [SwiftSetting] = [.unsafeFlags(vectorFlags)]
/// `-Ounchecked` keeps the kernels usable in debug builds too.
let kernelModule: [SwiftSetting] = [.unsafeFlags(vectorFlags + ["-Ounchecked"])]

/// The way of the data, in its order: what other packages may use.
let modules = [
    "Kernels", "Checkpoints", "Tokenization", "Datasets", "Models", "Neurons", "Collectives", "Evaluation", "Training",
    "Reporting", "Exporting",
]
/// Only `make docs` needs the plugin; packages that use neft do not.
let documentation: [Package.Dependency] =
    Context.environment["NEFT_DOCS"] == nil
    ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", exact: "1.5.0")]

let package = Package(
    name: "neft",
    products: [.executable(name: "neft", targets: ["neft"]), .library(name: "NeFT", targets: modules)],
    dependencies: documentation + [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "3.12.3"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // C libraries, found through pkg-config.
        .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "CKernels"),

        .target(name: "Kernels", dependencies: ["CKernels", "COpenBLAS"], swiftSettings: kernelModule),
        .target(
            name: "Checkpoints",
            dependencies: ["CKernels", "Kernels", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: module),
        .target(name: "Tokenization", dependencies: ["Checkpoints"], swiftSettings: module),
        .target(name: "Datasets", dependencies: ["Tokenization"], swiftSettings: module),
        .target(name: "Models", dependencies: ["Kernels", "Checkpoints", "Datasets"], swiftSettings: module),
        .target(name: "Neurons", dependencies: ["Models", "Checkpoints"], swiftSettings: module),
        .target(
            name: "Exporting", dependencies: ["Checkpoints", "Tokenization", "Datasets", "Models", "Neurons"],
            swiftSettings: module),
        .target(name: "Collectives", dependencies: ["CMPI", "CZstd", "CKernels", "Kernels"], swiftSettings: module),
        .target(
            name: "Evaluation", dependencies: ["Kernels", "Models", "Tokenization", "Datasets", "Collectives"],
            swiftSettings: module),
        .target(
            name: "Training",
            dependencies: [
                "CKernels", "Kernels", "Checkpoints", "Tokenization", "Datasets", "Models", "Neurons", "Collectives",
                "Evaluation", "Reporting",
            ], swiftSettings: module),
        .target(name: "Reporting", dependencies: ["Kernels", "Models", "Neurons"], swiftSettings: module),
        .executableTarget(
            name: "neft",
            dependencies: [
                "Training", "Evaluation", "Exporting", "Reporting", .product(name: "Yams", package: "Yams"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: module),

        .target(
            name: "TestSupport", dependencies: ["Models", "Neurons", "Collectives"], path: "Tests/TestSupport",
            swiftSettings: module),
        .testTarget(name: "KernelsTests", dependencies: ["Kernels", "CKernels", "TestSupport"], swiftSettings: module),
        .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints", "TestSupport"], swiftSettings: module),
        .executableTarget(
            name: "tokenize", dependencies: ["Tokenization", "Checkpoints"], path: "Tests/long/tokenize",
            swiftSettings: module),
        .testTarget(
            name: "TokenizationTests", dependencies: ["Tokenization", "Checkpoints", "TestSupport"],
            swiftSettings: module),
        .testTarget(name: "DatasetsTests", dependencies: ["Datasets", "TestSupport"], swiftSettings: module),
        .testTarget(name: "ModelsTests", dependencies: ["Models", "TestSupport"], swiftSettings: module),
        .testTarget(name: "NeuronsTests", dependencies: ["Neurons", "TestSupport"], swiftSettings: module),
        .testTarget(
            name: "CollectivesTests", dependencies: ["Collectives", "CKernels", "TestSupport"], swiftSettings: module),
        .executableTarget(
            name: "parallel-checks", dependencies: ["Collectives"], path: "Tests/ParallelTests/parallel-checks",
            swiftSettings: module),
        .testTarget(
            name: "ParallelTests", dependencies: ["TestSupport", "parallel-checks"], path: "Tests/ParallelTests",
            exclude: ["parallel-checks"], swiftSettings: module),
        .testTarget(name: "EvaluationTests", dependencies: ["Evaluation", "TestSupport"], swiftSettings: module),
        .testTarget(
            name: "ReportingTests", dependencies: ["Reporting", "Models", "Neurons", "TestSupport"],
            swiftSettings: module),
        .testTarget(
            name: "ExportingTests", dependencies: ["Exporting", "TestSupport"], swiftSettings: module),
        .testTarget(
            name: "TrainingTests", dependencies: ["Training", "Exporting", "TestSupport"], swiftSettings: module),
        .target(
            name: "FileReaders", dependencies: ["Training", "Reporting"], path: "Tests/FileReaders",
            swiftSettings: module),
        .executableTarget(
            name: "fuzz-readers",
            dependencies: [
                "FileReaders", "TestSupport", .product(name: "Yams", package: "Yams"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/long/fuzz-readers", swiftSettings: module),
        .testTarget(
            name: "FileReaderTests", dependencies: ["FileReaders", "TestSupport", "neft"],
            path: "Tests/FileReaderTests",
            swiftSettings: module),
        // What docs/library.md shows. Its own package (Examples/TrainNeurons) is built by Tests/long/install.
        .executableTarget(
            name: "train-neurons", dependencies: modules.map { .byName(name: $0) },
            path: "Examples/TrainNeurons/Sources/train-neurons", swiftSettings: module),
        .testTarget(
            name: "CommandTests", dependencies: ["TestSupport", "neft", "train-neurons"], swiftSettings: module),
    ]
)
