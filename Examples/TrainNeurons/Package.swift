// swift-tools-version:6.0
import PackageDescription

// By path or branch: neft sets compiler flags, which SwiftPM forbids in dependencies by version.
let package = Package(
    name: "TrainNeurons",
    dependencies: [.package(name: "neft", path: "../..")],
    targets: [
        .executableTarget(
            name: "train-neurons", dependencies: [.product(name: "NeFT", package: "neft")])
    ]
)
