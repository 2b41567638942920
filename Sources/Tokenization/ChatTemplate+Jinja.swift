extension ChatTemplate {
    /// The template as Jinja source, as a model's files carry it: `detect` finds this template in it.
    ///
    /// It gives the text that `render` gives. Mistral's has no words for system turns, as the models' own.
    public var jinjaSource: String {
        switch self {
        case .chatml(let defaultSystem, let toolsAsUser):
            ChatML.source(defaultSystem: defaultSystem, toolsAsUser: toolsAsUser)
        case .llama2(let marks): TemplateSource.complete(InstTemplates.llama2Source, marks)
        case .llama3(let marks): TemplateSource.complete(HeaderTemplates.llama3Source, marks)
        case .mistral(let marks, let spacing):
            TemplateSource.complete(InstTemplates.mistralSource(spacing), marks)
        case .zephyr(let marks): TemplateSource.complete(HeaderTemplates.zephyrSource, marks)
        case .alpaca(let marks): TemplateSource.complete(AlpacaTemplate.source, marks)
        case .none: TemplateSource.contents
        }
    }
}
