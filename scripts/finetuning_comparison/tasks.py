"""The tasks of the comparison by name."""

from finetuning_comparison import chinese, english
from finetuning_comparison.task import Task

TASKS: dict[str, Task] = {
    "sentiment": Task("sentiment of film reviews", "en", "classification", "accuracy", 64, english.sentiment),
    "topic": Task("topic of news", "en", "classification", "accuracy", 128, english.topic),
    "spam": Task("spam or ham", "en", "classification", "accuracy", 128, english.spam),
    "regression": Task("how good a review finds", "en", "regression", "pearson", 64, english.regression),
    "verses": Task("same verse or its neighbour", "en", "classification", "accuracy", 128, english.verses, "pair"),
    "senses": Task("which gloss of WordNet", "en", "choice", "accuracy", 64, english.senses),
    "parts-of-speech": Task("parts of speech", "en", "tagging", "accuracy", 128, english.parts_of_speech),
    "zh-sentiment": Task("sentiment of reviews", "zh", "classification", "accuracy", 128, chinese.sentiment),
    "zh-entities": Task("named entities", "zh", "tagging", "f1", 128, chinese.entities),
    "zh-segmentation": Task("word segmentation", "zh", "segmentation", "f1", 128, chinese.segmentation),
    "zh-idioms": Task("which idiom fills the blank", "zh", "choice", "accuracy", 128, chinese.idioms),
}
