import Testing

@testable import neft

struct ProgressBarTests {
    @Test func plainLinesComeSeldom() {
        var bar = ProgressBar(label: "rows", total: 100, columns: nil, at: 0)
        var lines: [String] = []
        for i in 0...100 {
            if let line = bar.update(done: i, detail: "", at: Double(i) * 0.2) { lines.append(line) }
        }
        // At 0, 0.2, 5.2, 10.2, 15.2 and 20 seconds.
        #expect(lines.count == 6)
        #expect(lines.allSatisfy { $0.hasSuffix("\n") && !$0.contains("\r") && !$0.contains("\u{1B}") })
        #expect(lines[3] == "rows 51/100  ETA 9.8s\n")
        #expect(lines[5] == "rows 100/100\n")
        #expect(!bar.isOnScreen)
    }

    @Test func barIsWrittenOver() {
        var bar = ProgressBar(label: "step", total: 4, columns: 60, at: 0)
        _ = bar.update(done: 0, detail: "", at: 0)
        let text = bar.update(done: 1, detail: "loss 1.5", at: 1)
        #expect(text == "\r[====            ]  step 1/4  ETA 3.0s  loss 1.5\u{1B}[K")
        // Never wider than the terminal: a wrapped line cannot be written over.
        let long = bar.update(done: 1, detail: String(repeating: "x", count: 100), at: 2)
        #expect(long?.count == 1 + 59 + 3)
        let early = bar.update(done: 2, detail: "", at: 2.1)
        #expect(early == nil)
        #expect(bar.isOnScreen)
    }

    @Test func launchersThatChangeLinesAreNoTerminal() {
        #expect(Terminal.passesOutputOn(launcher: ["mpirun", "-np", "2", "neft"]))
        #expect(Terminal.passesOutputOn(launcher: ["/usr/bin/mpiexec", "neft"]))
        #expect(!Terminal.passesOutputOn(launcher: ["orted"]))
        #expect(!Terminal.passesOutputOn(launcher: []))
        #expect(!Terminal.passesOutputOn(launcher: ["mpirun", "--output-filename", "x", "neft"]))
        #expect(!Terminal.passesOutputOn(launcher: ["mpirun", "-tag-output", "neft"]))
    }
}
