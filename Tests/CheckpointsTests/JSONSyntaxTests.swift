import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct JSONSyntaxTests {
    private func fault(_ text: String) -> String? { JSONSyntax.fault(in: Data(text.utf8))?.description }

    @Test(arguments: [
        "{}", "[]", " \n\t\r5 ", #"{"a":[1,2,{}],"b":{}}"#, #""\ud83d\ude00""#, #""\u00e9\"\\\/\b\f\n\r\t""#, "-0.5e+3",
        "[true,false,null]", "\u{FEFF}{}", "\"é\u{2028}\u{10FFFF}\"", #"{"a":1,"A":2,"":3}"#, #"[{"a":1},{"a":1}]"#,
    ])
    func documents(text: String) { #expect(fault(text) == nil) }

    @Test(arguments: [
        ("", "an end where a value should be at line 1, column 1"), ("[[", "an end where a value should be"),
        ("{\n  \"a\": 1,\n}", "no key in quotes at line 3, column 1"), ("[1,]", "no JSON value at line 1, column 4"),
        ("{\"é\": x}", "no JSON value at line 1, column 8"), ("[1 2]", "no comma or ] at line 1, column 4"),
        ("{\"a\":1]", "no comma or }"), ("{} {}", "something behind the end at line 1, column 4"),
        ("[1", "an end inside an array"), ("{\"a", "an end inside a string"), ("{\"a\"}", "no colon behind a key"),
        ("-", "a number without a digit"), ("1.", "a number without a digit"), ("1e", "a number without a digit"),
        ("01", "a number that begins with 0"), ("1e999", "a number out of range (1e999)"), ("NaN", "no JSON value"),
        ("tru", "no JSON value"), ("'a'", "no JSON value"), ("\"\t\"", "a control character in a string"),
        (#""\ud83d""#, "half of a surrogate pair"), (#""\ud83dA""#, "half of a surrogate pair"),
        (#""\ude00""#, "half of a surrogate pair"), (#""\x41""#, "an unknown escape"), (#""\u12"#, "an unknown escape"),
        (#"{"a":1,"\u0061":2}"#, "the key \"a\" for the second time at line 1, column 8"),
        (String(repeating: "[", count: 129), "more than 128 values inside each other at line 1, column 129"),
    ])
    func faults(text: String, message: String) {
        #expect(fault(text)?.contains(message) == true, "\(text): \(fault(text) ?? "no fault")")
    }

    @Test(arguments: [
        [0xFF], [0xC3], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
    ])
    func bytesThatAreNotUTF8(bytes: [Int]) {
        let data = Data("\"".utf8) + Data(bytes.map { UInt8($0) }) + Data("\"".utf8)
        #expect(JSONSyntax.fault(in: data)?.found == JSONSyntax.notUTF8)
    }

    /// On changed documents: the same verdict, but for keys that come twice and for commas too many, which Foundation
    /// takes.
    @Test func agreesWithFoundation() {
        let documents = [
            #"{"a":[1,2.5,-3e2,true,false,null,"x\n\u00e9\ud83d\ude00"],"b":{"c":{}}}"#,
            "[\"é\", {\"k\": [[]]}, 0.1, -0]",
        ].map { Array($0.utf8) }
        let signs = Array("{}[],:\"\\0-1eE.+tfnu ".utf8)
        var random = TestRandom(5)
        var accepted = 0
        for round in 0..<20_000 {
            var bytes = documents[round % 2]
            for _ in 0...Int.random(in: 0...1, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(signs.randomElement(using: &random) ?? 0, at: place)
                }
            }
            let fault = JSONSyntax.fault(in: Data(bytes))
            let isRead = (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            accepted += fault == nil ? 1 : 0
            let text = String(decoding: bytes, as: UTF8.self)
            let isStricter =
                fault?.found.contains("second time") == true
                || text.firstMatch(of: #/,\s*[\]}]/#) != nil
            #expect((fault == nil) == isRead || (isRead && isStricter), "\(text): \(fault?.description ?? "read")")
        }
        #expect(accepted > 1000)
    }
}
