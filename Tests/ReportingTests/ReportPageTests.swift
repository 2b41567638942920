import Foundation
import TestSupport
import Testing

@testable import Reporting

/// The page in a real browser, without network. `make test` installs one where the system has it.
struct ReportPageTests {
    static let browser: URL? = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
        .flatMap { name in
            (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
        }
        .first { FileManager.default.isExecutableFile(atPath: $0) }.map { URL(fileURLWithPath: $0) }

    private struct Picture {
        let width: Int
        let height: Int
        /// RGB, `[height * width]`.
        let pixels: [UInt32]

        /// Undoes the filters of PNG.
        init(lines: [UInt8], width: Int, height: Int, bytes: Int) {
            self.width = width
            self.height = height
            let stride = width * bytes
            var above = [UInt8](repeating: 0, count: stride)
            var pixels: [UInt32] = []
            for y in 0..<height {
                let start = y * (stride + 1)
                var line = Array(lines[start + 1...start + stride])
                for i in 0..<stride {
                    let left = i >= bytes ? Int(line[i - bytes]) : 0
                    let corner = i >= bytes ? Int(above[i - bytes]) : 0
                    let up = Int(above[i])
                    let guess: Int
                    switch lines[start] {
                    case 1: guess = left
                    case 2: guess = up
                    case 3: guess = (left + up) / 2
                    case 4:
                        let (a, b, c) = (abs(up - corner), abs(left - corner), abs(left + up - 2 * corner))
                        guess = a <= b && a <= c ? left : b <= c ? up : corner
                    default: guess = 0
                    }
                    line[i] = line[i] &+ UInt8(guess)
                }
                for x in 0..<width {
                    let i = x * bytes
                    pixels.append(UInt32(line[i]) << 16 | UInt32(line[i + 1]) << 8 | UInt32(line[i + 2]))
                }
                above = line
            }
            self.pixels = pixels
        }

        func count(_ colour: UInt32) -> Int { pixels.count { $0 == colour } }
    }

    private func screenshot(_ page: String, in folder: TemporaryFolder, dark: Bool) async throws -> Picture {
        let browser = try #require(Self.browser)
        let picture = folder.file(dark ? "dark.png" : "light.png")
        let outcome = try await ProcessRunner.run(
            browser,
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1000,4000",
                "--force-device-scale-factor=0.5", "--host-resolver-rules=MAP * ~NOTFOUND",
                "--user-data-dir=\(folder.file("profile"))", "--blink-settings=preferredColorScheme=\(dark ? 0 : 1)",
                "--screenshot=\(picture)", "file://\(page)",
            ])
        #expect(outcome.exitCode == 0, "\(outcome)")
        let script = FixturePath.committed("reporting/inflate.py")
        let inflated = try await ProcessRunner.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["python3", script, picture, folder.file("lines")])
        let numbers = inflated.stdout.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        try #require(numbers.count == 3, "\(inflated)")
        return Picture(
            lines: Array(try Data(contentsOf: URL(fileURLWithPath: folder.file("lines")))), width: numbers[0],
            height: numbers[1], bytes: numbers[2])
    }

    @Test(.enabled(if: Self.browser != nil, "no Chromium is installed")) func isDrawnInLightAndDark() async throws {
        let samples = try SampleRuns()
        try samples.make("a1", seed: 1)
        try samples.make("a2", seed: 2, bleu: 24)
        try samples.make("b", method: "random", bleu: 12)
        try samples.writeDynamics("a1/dynamics.json")
        try samples.writeSparsity(
            "a1/sparsity.json", "it/test.jsonl", [0.2, 0.25, 0.3], #"{"chrf": {"pearson": 0.9, "spearman": 1}}"#)
        let report = try samples.report(["a1", "a2", "b"].map { samples.folder.file($0) })
        let page = samples.folder.file("report.html")
        try report.write(to: page)
        let light = try await screenshot(page, in: samples.folder, dark: false)
        let dark = try await screenshot(page, in: samples.folder, dark: true)
        #expect(light.width == 500 && light.height == 2000)
        // Paper and cards fill most of the page, and the colours of both groups are there.
        for (picture, paper, card, groups) in [
            (light, 0xfbfbfa, 0xffffff, [0x1f6fb4, 0xd1622b]), (dark, 0x14171a, 0x1c2025, [0x5fa8e6, 0xf0905c]),
        ] as [(Picture, UInt32, UInt32, [UInt32])] {
            #expect(picture.pixels.first == paper && picture.pixels.last == paper)
            #expect(picture.count(card) > picture.pixels.count / 3)
            for colour in groups { #expect(picture.count(colour) > 30, "\(String(colour, radix: 16))") }
            // Nothing reaches over the right edge: the last columns are paper alone.
            for y in 0..<picture.height {
                #expect(picture.pixels[y * picture.width + picture.width - 2] == paper, "line \(y)")
            }
        }
    }
}
