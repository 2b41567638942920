import Foundation
import Testing

@testable import Reporting

struct JSONValueTests {
    private let document: JSONValue = [
        "z": 1, "a": [1.5, true, nil, "x"], "empty": [:], "none": [],
        "text": "quote \" slash \\ / \r\n\t \u{1} \u{7F} \u{85} \u{2028} é e\u{301} 👩‍👧 日本",
    ]

    @Test func textIsOneLineInKeyOrder() {
        #expect(
            document.text
                == #"{"z":1,"a":[1.5,true,null,"x"],"empty":{},"none":[],"text":"quote \" slash \\ / \r\n\t "#
                + #"\u0001 \u007f \u0085 \u2028 é e"# + "\u{301}" + #" 👩‍👧 日本"}"#)
        #expect(document.text.unicodeScalars.allSatisfy { $0.value >= 0x20 })
    }

    @Test func anotherReaderFindsTheSameValues() throws {
        let read = try JSONSerialization.jsonObject(with: Data(document.text.utf8)) as? [String: Any]
        guard case .object(let members) = document, case .string(let text)? = members.last?.value else {
            Issue.record("the document is not what the test expects")
            return
        }
        #expect((read?["text"] as? String).map { Array($0.utf8) } == Array(text.utf8))
        #expect(read?["z"] as? Int == 1)
        #expect((read?["a"] as? [Any])?.count == 4)
    }

    @Test(arguments: [
        0, -0.0, 1e-300, .leastNonzeroMagnitude, 0.1, 1.0 / 3, 1e21, -123456.789, .greatestFiniteMagnitude,
    ])
    func doublesReadBackExactly(value: Double) throws {
        let read = try JSONDecoder().decode([Double].self, from: Data(JSONValue.array([.double(value)]).text.utf8))
        #expect(read == [value])
    }

    @Test func whatIsNotFiniteIsNull() {
        #expect(JSONValue.array([.double(.nan), .double(.infinity), .double(-.infinity)]).text == "[null,null,null]")
    }
}
