import ArgumentParser

struct Preview: SessionCommand {
    static let configuration = CommandConfiguration(abstract: "Show what the model will be trained on.")
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Batches") var batches: BatchOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        session.console.result(ResolvedConfiguration(CommandOptions(of: self)).yaml)
    }
}
