//! The kinds of faults, in the words of ZConfig (ZCONFIG.md section 12).

use super::kind::Kind;
use super::repr::repr;

impl Kind {
    /// The words of ZConfig.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::SectionStart => "malformed section start".into(),
            Self::SectionHeader => "malformed section header".into(),
            Self::SectionEnd => "malformed section end".into(),
            Self::KeyLine => "malformed configuration data".into(),
            Self::UnexpectedEnd { .. } => "unexpected section end".into(),
            Self::UnbalancedEnd { .. } => "unbalanced section end".into(),
            Self::Unclosed { .. } => "unclosed sections not allowed".into(),
            Self::NoDirective => "missing or unrecognized directive".into(),
            Self::UnknownDirective { name } => format!("unknown directive: {}", repr(name)),
            Self::NoArgument { name } => format!("missing argument to %{name} directive"),
            Self::Redefined { name } => format!("cannot redefine {}", repr(name)),
            Self::DefinitionName { name } => format!("not a substitution legal name: {}", repr(name)),
            Self::Reference { message } | Self::Limit(message) | Self::Other(message) => message.clone(),
            Self::Undefined { name, .. } | Self::Unset { name, .. } => {
                format!("no replacement for {}", repr(name))
            }
            _ => self.structural_message(),
        }
    }

    fn structural_message(&self) -> String {
        match self {
            Self::UnknownType { name, .. } => format!("unknown type name: {}", repr(name)),
            Self::AbstractType { name, .. } => format!(
                "concrete sections cannot match abstract section types; found abstract type {}",
                repr(name)
            ),
            Self::Misplaced { kind, name, .. } => format!(
                "no matching section defined for type='{kind}', name='{}'",
                name.as_deref().unwrap_or("None")
            ),
            Self::NameOfKey { name } => format!("section name {name} already in use for key"),
            Self::SectionName { name, slot, .. } => {
                let name = name.as_deref().map_or_else(|| "None".into(), repr);
                format!("{name} is not an allowed name for {} sections", repr(slot))
            }
            Self::NameReused { name } => {
                format!("section names must not be re-used within the same container:{}", repr(name))
            }
            Self::TooMany { slot, .. } => format!("too many instances of {} section", repr(slot)),
            Self::UnknownKey { key, .. } => format!("{} is not a known key name", repr(key)),
            Self::KeyTwice { key, map: false, .. } => {
                format!("{} does not support multiple values", repr(key))
            }
            Self::KeyTwice { key, map: true, .. } => format!("too many values for {}", repr(key)),
            Self::KeyName(wrong) | Self::Value { wrong, .. } | Self::Section { wrong, .. } => {
                wrong.message().to_owned()
            }
            Self::MissingKey { key, many: false, .. } => format!("no values for {}; 1 required", repr(key)),
            Self::MissingKey { key, many: true, .. } => {
                format!("not enough values for {}; 0 found, 1 required", repr(key))
            }
            Self::MissingSection { kind, many: false, .. } => {
                format!("no values for section type {}; 1 required", repr(kind))
            }
            Self::MissingSection { kind, many: true, .. } => {
                format!("not enough values for section type {}; 0 found, 1 required", repr(kind))
            }
            _ => self.outer_message(),
        }
    }

    /// Faults of what is around the file: others, packages, the command line.
    fn outer_message(&self) -> String {
        match self {
            Self::Unreadable { path, errno, reason } => {
                let path = path.display();
                format!("error opening file {path}: [Errno {errno}] {reason}: {}", repr(&path.to_string()))
            }
            Self::Scheme { url, scheme } => format!("error opening URL {url}: unknown url type: {scheme}"),
            Self::Fragment { .. } => "fragment identifiers are not supported".into(),
            Self::ComponentName { name } => format!("illegal schema component name: {}", repr(name)),
            Self::UnknownComponent { name, .. } => {
                format!("could not load package {name}: No module named {}", repr(name))
            }
            Self::TypeRedefined { name, .. } => format!("type name cannot be redefined: {}", repr(name)),
            Self::OverrideForm => "invalid configuration specifier".into(),
            Self::OverridePath => "'//' is not allowed in an option path".into(),
            Self::OverrideName { name } => format!("value did not match regular expression: {}", repr(name)),
            Self::OverridesLeft { .. } => "not all command line options were consumed".into(),
            _ => self.to_string(),
        }
    }
}
