"""Caption files in the published formats, as Python objects."""

COCO = {
    "info": {"year": 2017},
    "images": [{"id": 42, "file_name": "000000000042.jpg", "width": 9}, {"id": 7, "file_name": "7.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 7, "caption": "A café."},
        {"id": 2, "image_id": 42, "caption": "A dog."},
        {"id": 3, "image_id": 7, "caption": " Two  cups "},
    ],
}
KARPATHY = {
    "dataset": "flickr8k",
    "images": [
        {"filename": "a.jpg", "imgid": 0, "split": "train", "sentences": [{"raw": "A dog.", "tokens": ["a", "dog"]}]},
        {"filename": "b.jpg", "imgid": 1, "split": "val", "sentences": [{"raw": "A cat."}, {"raw": "Cats"}]},
    ],
}
LIST = [
    {"file": "a.jpg", "split": "train", "captions": ["A dog.", "Dogs"]},
    {"file": "b.jpg", "split": "dev", "captions": ["A cat."]},
]
RESULTS = [{"image_id": 42, "caption": "a dog"}, {"image_id": "b.jpg", "caption": ""}]
