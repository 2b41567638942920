import Testing

@testable import Evaluation

/// BLEU and chrF against sacreBLEU.
struct SacreBLEUTests {
    private let fixture: SacreBLEUFixture

    init() throws {
        fixture = try SacreBLEUFixture.load()
        #expect(fixture.groups.count >= 20)
        #expect(fixture.tokenization.count >= 200)
    }

    @Test func tokenizer13aCutsAsSacreBLEUDoes() {
        for case_ in fixture.tokenization {
            // Code points, as strings that are canonically equivalent would compare equal.
            let tokens = Tokenizer13a.tokens(of: case_.text)
            #expect(tokens == case_.tokens.map { $0.unicodeScalars.map(\.value) }, "\(case_.text.debugDescription)")
        }
    }

    @Test func statisticsAreExact() {
        for group in fixture.groups {
            var bleu = BLEUStatistics()
            var chrf = ChrFStatistics()
            for pair in group.pairs {
                bleu += BLEUStatistics(hypothesis: pair.hypothesis, reference: pair.reference)
                chrf += ChrFStatistics(hypothesis: pair.hypothesis, reference: pair.reference)
            }
            #expect(bleu.counts == group.bleuStatistics, "\(group.name)")
            let byOrder = (0..<ChrF.maxOrder).flatMap { [chrf.hypothesis[$0], chrf.reference[$0], chrf.matches[$0]] }
            #expect(byOrder == group.chrfStatistics, "\(group.name)")
        }
    }

    @Test func corpusScoresAgree() {
        for group in fixture.groups {
            let hypotheses = group.pairs.map(\.hypothesis)
            let references = group.pairs.map(\.reference)
            let bleu = BLEU.corpus(hypotheses: hypotheses, references: references)
            let chrf = ChrF.corpus(hypotheses: hypotheses, references: references)
            #expect(abs(bleu - group.bleu) < 1e-9, "\(group.name): BLEU \(bleu), not \(group.bleu)")
            #expect(abs(chrf - group.chrf) < 1e-9, "\(group.name): chrF \(chrf), not \(group.chrf)")
        }
    }

    @Test func scoresOfSinglePairsAgree() {
        for pair in fixture.groups.flatMap(\.pairs) {
            let bleu = BLEU.corpus(hypotheses: [pair.hypothesis], references: [pair.reference])
            let chrf = ChrF.corpus(hypotheses: [pair.hypothesis], references: [pair.reference])
            #expect(abs(bleu - pair.bleu) < 1e-9, "BLEU \(bleu), not \(pair.bleu): \(pair.hypothesis)")
            #expect(abs(chrf - pair.chrf) < 1e-9, "chrF \(chrf), not \(pair.chrf): \(pair.hypothesis)")
        }
    }

    @Test func anEmptyCorpusScoresZero() {
        #expect(BLEU.corpus(hypotheses: [], references: []) == 0)
        #expect(ChrF.corpus(hypotheses: [], references: []) == 0)
    }

    @Test func statisticsOfPartsAddUpToTheWhole() {
        let pairs = fixture.groups.flatMap(\.pairs)
        for parts in [2, 3, 5] {
            var bleu = BLEUStatistics()
            var chrf = ChrFStatistics()
            for part in 0..<parts {
                var partBLEU = BLEUStatistics()
                var partChrF = ChrFStatistics()
                for i in stride(from: part, to: pairs.count, by: parts) {
                    partBLEU += BLEUStatistics(hypothesis: pairs[i].hypothesis, reference: pairs[i].reference)
                    partChrF += ChrFStatistics(hypothesis: pairs[i].hypothesis, reference: pairs[i].reference)
                }
                bleu += BLEUStatistics(counts: partBLEU.counts)
                chrf += ChrFStatistics(counts: partChrF.counts)
            }
            let hypotheses = pairs.map(\.hypothesis)
            let references = pairs.map(\.reference)
            #expect(BLEU.score(bleu) == BLEU.corpus(hypotheses: hypotheses, references: references))
            #expect(ChrF.score(chrf) == ChrF.corpus(hypotheses: hypotheses, references: references))
        }
    }
}
