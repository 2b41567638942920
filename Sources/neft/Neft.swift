import ArgumentParser

@main
struct Neft: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "neft", abstract: "Neuron-level fine-tuning on CPU clusters.")
}
