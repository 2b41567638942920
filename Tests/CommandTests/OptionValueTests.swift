import Testing
import Training

@testable import neft

struct OptionValueTests {
    @Test(arguments: [("6%", 0.06), ("0.06", 0.06), ("100%", 1), ("1", 1), ("0.5%", 0.005), ("1e-3", 1e-3)])
    func shares(text: String, fraction: Double) throws {
        let share = try Share(text)
        #expect(abs(share.fraction - fraction) < 1e-15)
        #expect(share.description == text)
    }

    @Test(arguments: ["0%", "0", "200%", "6", "-1%", "1.01", "nan", "nan%", "inf", "", "%", "6 %", "six", "6%%"])
    func sharesRefused(text: String) {
        #expect(throws: OptionValueError.self) { try Share(text) }
    }

    @Test(arguments: [
        ("5%", Warmup.share(0.05)), ("20", .steps(20)), ("0", .steps(0)), ("0%", .share(0)), ("100%", .share(1)),
    ])
    func warmups(text: String, value: Warmup) throws {
        let warmup = try WarmupOption(text)
        #expect(warmup.value == value)
        #expect(warmup.description == text)
    }

    @Test(arguments: ["-1", "0.05", "101%", "", "%", "x"])
    func warmupsRefused(text: String) {
        #expect(throws: OptionValueError.self) { try WarmupOption(text) }
    }

    @Test func numbers() throws {
        #expect(try OptionValue.positive("3") == 3)
        #expect(try OptionValue.seed("18446744073709551615") == .max)
        #expect(try OptionValue.positiveNumber("1.5e-3") == 1.5e-3)
        #expect(try OptionValue.nonNegativeNumber("0") == 0)
        for text in ["0", "-1", "1.5", "x", "", "3000000000"] {
            #expect(throws: OptionValueError.self) { try OptionValue.positive(text) }
        }
        for text in ["0", "-1e-3", "nan", "inf", "1e999", "x"] {
            #expect(throws: OptionValueError.self) { try OptionValue.positiveNumber(text) }
        }
        #expect(throws: OptionValueError.self) { try OptionValue.nonNegativeNumber("-0.1") }
        #expect(throws: OptionValueError.self) { try OptionValue.seed("-1") }
    }

    @Test func nearestNames() {
        let names = ["learning-rate", "limit", "max-length", "seed"]
        #expect(NearestName.match("learning_rate", among: names) == "learning-rate")
        #expect(NearestName.match("lr", among: names) == nil)
        #expect(NearestName.match("limits", among: names) == "limit")
        #expect(NearestName.match("max-lenght", among: names) == "max-length")
        #expect(NearestName.distance("kitten", "sitting") == 3)
        #expect(NearestName.distance("", "abc") == 3)
    }
}
